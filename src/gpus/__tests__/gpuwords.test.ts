import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { GpuProduct, Gpus } from '../../api';
import { busyText, sizeText, staleText, stretchesOf, summaryText } from '../words';
import { figureOf, holder, NOW, place, product, told } from './fakes';

describe('the summary', () => {
  it.each<[string, Partial<Gpus>]>([
    ['3 of 8 free', {}],
    ['3 of 8 free · $12.40/h unused', { wasted_per_hour: 12.4, wasted_gpus: 2 }],
    ['3 of 8 free · 2 GPUs unused', { wasted_gpus: 2 }],
    ['8 GPUs', { places: [place({ products: [product({ free: null })] })] }],
    ['6 of 16 free', { places: [place(), place({ backend: 'c' })] }],
    ['', { places: [place({ products: [] })] }],
    ['', { places: [] }]
  ])('reads “%s”', (text, fields) => {
    expect(summaryText(told(fields), trans)).toBe(text);
  });
});

describe('a bar', () => {
  it.each<[string, Partial<GpuProduct>]>([
    ['3 used, 2 held and unused, 3 free', {}],
    ['5 held, use unknown, 3 free', { used: null }],
    ['8 unknown', { held: null, used: null, free: null }],
    ['3 free, 5 unknown', { held: null, used: null }],
    ['5 used, 3 free', { used: 7.5 }],
    ['3 used, 2 held and unused, 1 free, 2 not usable', { free: 1 }],
    ['8 free', { held: 0, used: 0, free: 8 }]
  ])('reads “%s”, and is as long as there are GPUs', (text, fields) => {
    const stretches = stretchesOf(product(fields), trans);
    expect(stretches.map(each => each.text).join(', ')).toBe(text);
    expect(stretches.reduce((sum, { count }) => sum + count, 0)).toBeCloseTo(8);
  });
});

it('never says 0 of what is not known, and since when of what is stale', () => {
  expect(busyText(null, NOW, trans)).toBe('use unknown');
  expect(busyText(figureOf(0), NOW, trans)).toBe('busy 0 %');
  const stale = figureOf(0.5, { is_stale: true, at: NOW - 180 });
  expect(busyText(stale, NOW, trans)).toBe('busy 50 % (3 min ago)');
  expect(staleText(told(), NOW + 60, trans)).toBeNull();
  expect(staleText(told(), NOW + 150, trans)).toBe('as of 2 min ago');
  expect(staleText(told({ sampled_at: null }), NOW + 150, trans)).toBeNull();
});

it('tells shares of a GPU from whole ones', () => {
  expect(sizeText(holder('a'), trans)).toBe('2 GPUs');
  const slice = holder('a', { resource: 'nvidia.com/mig-1g.18gb', count: 1, share: 1 / 7 });
  expect(sizeText(slice, trans)).toBe('1 × nvidia.com/mig-1g.18gb (0.1429 GPU)');
});
