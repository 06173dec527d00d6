import { vi } from 'vitest';

import type {
  Advice,
  Figure,
  GpuDevice,
  GpuHolder,
  GpuNode,
  GpuPlace,
  GpuProduct,
  GpuResource,
  Gpus
} from '../../api';
import type { IGpuActions } from '../mine';

/** Seconds since the epoch on the server. */
export const NOW = 90_000;

export const figureOf = (value: number, fields: Partial<Figure> = {}): Figure => ({
  value,
  source: 'nvml',
  scope: 'device',
  at: NOW,
  is_stale: false,
  ...fields
});

export const holder = (id: string, fields: Partial<GpuHolder> = {}): GpuHolder => ({
  kind: 'job',
  id,
  name: id,
  user: null,
  is_mine: true,
  resource: 'nvidia.com/gpu',
  count: 2,
  share: 2,
  since: NOW - 7200,
  busy: figureOf(0.71),
  memory: figureOf(18.2 * 2 ** 30),
  cost_per_hour: 6.4,
  unused_since: null,
  ...fields
});

export const product = (fields: Partial<GpuProduct> = {}): GpuProduct => ({
  product: 'H200 141GB',
  total: 8,
  held: 5,
  used: 3,
  free: 3,
  ...fields
});

export const device = (id: string, fields: Partial<GpuDevice> = {}): GpuDevice => ({
  id,
  product: 'H200',
  profile: null,
  state: 'held',
  holders: [],
  busy: figureOf(0.5),
  memory: figureOf(2 ** 34),
  memory_total_bytes: 2 ** 37,
  power_w: figureOf(412.4),
  history: [0.1, 0.5, null, 0.9],
  ...fields
});

export const resource = (fields: Partial<GpuResource> = {}): GpuResource => ({
  title: 'H200',
  price_low: 3.2,
  price_high: 3.2,
  price_words: 'list price of H200, AWS, 2025-12',
  name: 'nvidia.com/gpu',
  product: 'H200',
  profile: null,
  sharing: 'none',
  total: 8,
  held: 5,
  free: 3,
  usable_bytes: null,
  price_per_hour: 3.2,
  ...fields
});

export const node = (name: string, fields: Partial<GpuNode> = {}): GpuNode => ({
  name,
  instance_type: null,
  is_spot: null,
  is_ready: true,
  is_cordoned: false,
  resources: [resource()],
  devices: [],
  holders: [],
  ...fields
});

export const place = (fields: Partial<GpuPlace> = {}): GpuPlace => ({
  backend: 'local',
  title: 'This machine',
  products: [product()],
  nodes: [],
  sources: [],
  is_whole: true,
  why: null,
  hint: null,
  unallocated_per_hour: null,
  ...fields
});

export const advice = (id: string, fields: Partial<Advice> = {}): Advice => ({
  id,
  kind: 'idle',
  title: `${id} holds 2 GPUs and uses none`,
  evidence: ['busy below 1 % for 3 h'],
  action: 'Stop it.',
  job: null,
  kernel: null,
  saving_per_week: 84,
  is_certain: false,
  ...fields
});

export const told = (fields: Partial<Gpus> = {}): Gpus => ({
  places: [place()],
  mine: [],
  wasted_per_hour: null,
  wasted_gpus: null,
  advice: [],
  notes: [],
  currency: 'USD',
  now: NOW,
  sampled_at: NOW,
  ...fields
});

/** `count` GPUs, eight a node, each held by a job of its own. */
export function cluster(count: number): Gpus {
  const nodes = Array.from({ length: Math.ceil(count / 8) }, (_, at) => {
    const ids = Array.from({ length: Math.min(8, count - 8 * at) }, (_, gpu) => `gpu-${at}-${gpu}`);
    return node(`node-${at}`, {
      devices: ids.map(id =>
        device(id, { holders: [`job-${id}`], history: Array<number>(30).fill(0.5) })
      ),
      holders: ids.map(id => holder(`job-${id}`, { count: 1, share: 1, is_mine: false }))
    });
  });
  const title = 'training';
  const products = [product({ total: count, held: count, used: count / 2, free: 0 })];
  return told({ places: [place({ backend: 'c', title, nodes, products })] });
}

export function actions(): IGpuActions {
  return {
    open: vi.fn(),
    stop: vi.fn(),
    keep: vi.fn(),
    dismiss: vi.fn(),
    restore: vi.fn(),
    openJob: vi.fn(),
    showKernel: vi.fn()
  };
}
