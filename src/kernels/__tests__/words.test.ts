import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { KernelState, PolicyView } from '../../api';
import {
  endingText,
  keepTime,
  keepTimes,
  leaseText,
  modeText,
  nameOf,
  stateText,
  summaryText,
  totalTexts,
  usageText
} from '../words';
import { kernel, NOW, told } from './fakes';

const GPU = {
  kind: 'idle_gpu',
  gpus: 1,
  gpu_memory_bytes: 18.2 * 2 ** 30,
  gpu_busy: 0
} as const;
const HOUR = 3600;

describe('a kernel in words', () => {
  it.each<[string, Partial<KernelState>]>([
    ['idle 42 min, stops in 18 min', {}],
    ['idle 42 min, holds 1 GPU, 18.2 GiB, stops in 18 min', GPU],
    ['idle 42 min, holds 1 GPU, 18.2 GiB, would stop in 18 min', { ...GPU, would_stop: true }],
    ['idle 42 min, would have been stopped by now', { would_stop: true, stops_at: NOW - 1 }],
    ['idle 42 min, stops in 1 min 30 s', { state: 'warned', stops_at: NOW + 90 }],
    ['idle 42 min, stops now', { state: 'warned', stops_at: NOW - 1 }],
    ['idle 42 min', { stops_at: null }],
    [
      'idle 42 min, holds 2 GPUs, GPU memory unknown',
      { gpus: 2, gpu_memory_bytes: null, stops_at: null }
    ],
    ['a cell runs and has done nothing for 42 min', { kind: 'hung', stops_at: null }],
    ['has waited for input for 42 min', { kind: 'input', stops_at: null }],
    ['has only waited for its job for 42 min', { kind: 'delegated', stops_at: null }],
    [
      'computes in the background',
      { state: 'active', kind: null, words: 'computes in the background', stops_at: null }
    ],
    ['starting', { state: 'starting', kind: null, stops_at: null }],
    ['is being stopped', { state: 'stopping' }],
    [
      'could not be stopped: it does not end',
      { state: 'failed', words: 'it does not end', stops_at: null }
    ],
    ['of an age', { kind: 'age', words: 'of an age', quiet_since: null, stops_at: null }],
    ['idle 42 min', { lease: { until: NOW + 60, reason: '', left_s: 60, total_left_s: null } }]
  ])('is “%s”', (text, fields) => {
    expect(stateText(kernel('train', fields), NOW, trans)).toBe(text);
  });

  it('is called by its notebook, or by what it is', () => {
    expect(nameOf(kernel('train'))).toBe('train.ipynb');
    expect(nameOf(kernel('0123456789ab', { path: null }))).toBe('python3 01234567');
    const early = { path: '3c352d16-a148-40b1-8d6d-091fef3b9887' };
    expect(nameOf(kernel('0123456789ab', early))).toBe('python3 01234567');
  });

  it('says until when it is kept, how long that is, and why', () => {
    const lease = { until: NOW + 2 * HOUR, reason: 'training', left_s: 0, total_left_s: null };
    expect(leaseText({ lease }, NOW + 1, trans)).toMatch(/^kept until .+ \(2 h left\): training$/);
    expect(leaseText({ lease: { ...lease, reason: '' } }, NOW, trans)).toMatch(/left\)$/);
    expect(leaseText({ lease: null }, NOW, trans)).toBeNull();
  });

  it.each<[string, Partial<KernelState>]>([
    ['CPU 3 % · $4.20/h', { cpu_pct: 3, cost_per_hour: 4.2 }],
    [
      'CPU 0.4 % · GPU 71 % · $4.20/h',
      { ...GPU, cpu_pct: 0.4, gpu_busy: 0.71, cost_per_hour: 4.2 }
    ],
    ['CPU unknown · GPU unknown · cost unknown', { cpu_pct: null, gpus: null }],
    ['CPU 0 % · GPU use unknown · cost unknown', { gpus: 1, gpu_busy: null }],
    ['CPU 350 % · cost unknown · 1 unfinished job', { cpu_pct: 350, jobs: ['a'] }]
  ])('uses “%s”: what is unknown is not 0', (text, fields) => {
    expect(usageText(kernel('train', fields), 'USD', trans)).toBe(text);
  });
});

describe('all kernels in words', () => {
  it('are counted beside the title, with what needs a look', () => {
    const warned = { state: 'warned' } as const;
    expect(summaryText([], trans)).toBe('');
    expect(summaryText([kernel('a')], trans)).toBe('1 kernel');
    expect(summaryText([kernel('a', GPU), kernel('b')], trans)).toBe('2 kernels · 1 GPU unused');
    expect(summaryText([kernel('a', GPU), kernel('b', warned)], trans)).toBe(
      '2 kernels · 1 stops soon'
    );
  });

  it('say which is stopped first, and nothing where none is in earnest', () => {
    const warned = (id: string, fields: Partial<KernelState> = {}): KernelState =>
      kernel(id, { state: 'warned', stops_at: NOW + 240, ...fields });
    expect(endingText([kernel('a')], NOW, trans)).toBe('');
    expect(endingText([warned('a', { would_stop: true })], NOW, trans)).toBe('');
    expect(endingText([warned('a')], NOW, trans)).toBe('a.ipynb stops in 4 min');
    expect(endingText([warned('a'), warned('b', { stops_at: NOW + 60 })], NOW, trans)).toBe(
      '2 kernels stop: b.ipynb stops in 1 min'
    );
  });
});

describe('the totals', () => {
  const base = told([]).totals;
  const texts = (fields: Partial<typeof base>, mode: PolicyView['mode'] = 'enforce'): string[] =>
    totalTexts({ ...base, ...fields }, mode, 'USD', trans).map(({ text }) => text);

  it('are money where a price is known', () => {
    expect(texts({ wasted_per_hour: 12.4, saved: 318.2 })).toEqual([
      'wasted now $12.40/h',
      'saved this month: $318'
    ]);
    expect(texts({ wasted_per_hour: 0, saved: 0 }, 'shadow')).toEqual([
      'wasted now $0.00/h',
      'would have saved this month: $0.00'
    ]);
  });

  it('are GPUs where it is not, with how to set one; what is not known either is unknown', () => {
    expect(texts({ wasted_gpus: 2, saved_gpu_s: 41.5 * HOUR })).toEqual([
      '2 GPUs unused now',
      'saved this month: 41.5 GPU h'
    ]);
    expect(texts({ wasted_gpus: null, saved_gpu_s: null })).toEqual([
      'wasted now: unknown',
      'saved this month: unknown'
    ]);
    for (const { hint } of totalTexts(base, 'enforce', 'USD', trans)) {
      expect(hint).toContain('MLK_PRICE_PER_HOUR');
    }
  });

  it('say how they are measured', () => {
    const [, saved] = totalTexts({ ...base, saved: 3, stops: 12 }, 'enforce', 'USD', trans);
    expect(saved.hint).toBe(
      'Measured from each stop until its notebook was used again, 3 d at most. Stops this month: 12.'
    );
  });
});

describe('what the policy does', () => {
  const values = { MLK_IDLE_TTL: 4 * HOUR, MLK_IDLE_GPU_TTL: HOUR };

  it.each([
    ['shadow', 'Watches only: nothing is stopped.'],
    ['shadow', 'MLK_IDLE_MODE=enforce'],
    ['off', 'not watched'],
    ['enforce', 'Stopped when idle: after 4 h, after 1 h with an unused GPU.']
  ] as const)('is said in the mode %s: %s', (mode, text) => {
    expect(modeText({ mode, values, warnings: [] }, trans)).toContain(text);
  });

  it('is nothing without a limit', () => {
    const none = { MLK_IDLE_TTL: 0, MLK_IDLE_GPU_TTL: 0 };
    expect(modeText({ mode: 'enforce', values: none, warnings: [] }, trans)).toContain(
      'not stopped'
    );
  });

  it.each([
    [24 * HOUR, [HOUR, 2 * HOUR, 8 * HOUR, 24 * HOUR], 2 * HOUR],
    [8 * HOUR, [HOUR, 2 * HOUR, 8 * HOUR], 2 * HOUR],
    [HOUR / 2, [HOUR / 2], HOUR / 2],
    [undefined, [HOUR, 2 * HOUR, 8 * HOUR], 2 * HOUR]
  ])('lets a kernel be kept up to %s s', (most, times, usual) => {
    const policy = { mode: 'enforce', values: { MLK_IDLE_LEASE_MAX: most }, warnings: [] } as const;
    expect(keepTimes(policy)).toEqual(times);
    expect(keepTime(policy)).toBe(usual);
  });
});
