import { describe, expect, it } from 'vitest';

import { rowAt, topsOf, windowOf } from '../window';

describe('the rows in view', () => {
  const tops = topsOf(Array.from({ length: 10_000 }, (_, row) => (row % 2 ? 70 : 51)));

  it('are few, however long the list', () => {
    const { first, end } = windowOf(tops, 300_000, 800);
    expect(end - first).toBeLessThan(30);
    expect(tops[first]).toBeLessThanOrEqual(300_000);
    expect(tops[end]).toBeGreaterThanOrEqual(300_800);
  });

  it('begin at the top and end at the bottom', () => {
    expect(windowOf(tops, 0, 800).first).toBe(0);
    expect(windowOf(tops, tops[10_000], 800).end).toBe(10_000);
  });

  it('are none of an empty list', () => {
    expect(windowOf(topsOf([]), 0, 800)).toMatchObject({ first: 0, end: 0 });
  });

  it.each([
    [-5, 0],
    [0, 0],
    [50.9, 0],
    [51, 1],
    [121, 2]
  ])('pixel %d lies in row %d', (pixel, row) => {
    expect(rowAt(tops, pixel)).toBe(row);
  });
});
