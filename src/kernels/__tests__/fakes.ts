import type { Kernels, KernelState, Stopped } from '../../api';

/** A kernel that has done nothing for 42 minutes, at 10,000 s since the epoch. */
export function kernel(id: string, fields: Partial<KernelState> = {}): KernelState {
  return {
    id,
    name: 'python3',
    path: `work/${id}.ipynb`,
    started: 1000,
    state: 'quiet',
    kind: 'idle',
    words: 'idle, holds no GPU',
    quiet_since: NOW - 42 * 60,
    stops_at: NOW + 18 * 60,
    would_stop: false,
    lease: null,
    cpu_pct: 0,
    gpus: 0,
    gpu_busy: null,
    gpu_memory_bytes: null,
    cost_per_hour: null,
    jobs: [],
    ...fields
  };
}

/** Seconds since the epoch on the server. */
export const NOW = 10_000;

export function stopped(id: string, fields: Partial<Stopped> = {}): Stopped {
  return {
    id,
    name: 'python3',
    path: `work/${id}.ipynb`,
    at: NOW,
    kind: 'idle',
    words: 'was idle for 1 h',
    held: [],
    held_more: 0,
    why_no_list: null,
    jobs: [],
    ended: [],
    ...fields
  };
}

/** What the server tells of all its kernels. */
export function told(all: readonly KernelState[], fields: Partial<Kernels> = {}): Kernels {
  return {
    kernels: all,
    stopped: [],
    totals: {
      wasted_per_hour: null,
      wasted_gpus: 0,
      saved: null,
      saved_gpu_s: 0,
      stops: 0,
      saved_limit_s: 259_200
    },
    policy: { mode: 'enforce', values: { MLK_IDLE_LEASE_MAX: 86_400 }, warnings: [] },
    settings: { ttl: '', gpu_ttl: '', warn: '' },
    currency: 'USD',
    now: NOW,
    sampled_at: NOW,
    server_stops_at: null,
    server_words: '',
    server_ended: null,
    ...fields
  };
}
