import { describe, expect, it } from 'vitest';

import { axisOf, columnsOf, SeriesStore, summarise } from '../series';

const point = (at: number, value: number | null, step: number | null = null) => ({
  at,
  value,
  step
});

describe('SeriesStore', () => {
  it('keeps what came while the server was asked, once', () => {
    const store = new SeriesStore();
    store.add('loss', point(1, 3, 0));
    store.add('loss', point(2, 2, 1));
    store.add('loss', point(2, 1, 2));
    store.add('new', point(3, 9));
    store.load([{ name: 'loss', points: [point(0, 4, 0), point(1, 3, 0), point(2, 2, 1)] }]);
    expect(store.all).toEqual([
      { name: 'loss', points: [point(0, 4, 0), point(1, 3, 0), point(2, 2, 1), point(2, 1, 2)] },
      { name: 'new', points: [point(3, 9)] }
    ]);
  });
});

describe('a curve', () => {
  it('is summed up without what is not a number, but says when it ends in that', () => {
    const points = [point(1, 5), point(2, null), point(3, 2)];
    expect(summarise(points)).toEqual({ last: 2, min: 2, max: 5, count: 3 });
    const diverged = [...points, point(4, null)];
    expect(summarise(diverged)).toEqual({ last: null, min: 2, max: 5, count: 4 });
    expect(summarise([])).toEqual({ last: null, min: null, max: null, count: 0 });
  });

  it('is drawn by step where steps tell points apart, else by time', () => {
    expect(axisOf([point(1, 1, 0), point(2, 1, 1)])).toBe('step');
    expect(axisOf([point(1, 1, 0), point(2, 1, 0)])).toBe('time');
    expect(axisOf([point(1, 1, 0), point(2, 1)])).toBe('time');
  });

  it('ascends, and a value that is no number is a gap', () => {
    const points = [point(1, 10, 2), point(2, null, 1), point(3, 30, 3)];
    expect(columnsOf(points, 'step')).toEqual([
      [1, 2, 3],
      [null, 10, 30]
    ]);
    expect(columnsOf(points, 'time')[0]).toEqual([1, 2, 3]);
  });
});
