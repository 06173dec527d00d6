import { describe, expect, it } from 'vitest';

import { axisOf, columnsOf, differing, SeriesStore, summarise } from '../series';
import { thin } from '../thin';

const point = (at: number, value: number | null, step: number | null = null) => ({
  at,
  value,
  step
});

describe('SeriesStore', () => {
  it('keeps what came while the server was asked, once', () => {
    const store = new SeriesStore();
    store.add('loss', 0, point(1, 3, 0));
    store.add('loss', 0, point(2, 2, 1));
    store.add('loss', 0, point(2, 1, 2));
    store.add('loss', 3, point(2, 7, 2));
    store.add('new', 0, point(3, 9));
    store.load([
      { name: 'loss', rank: 0, ranks: 1, points: [point(0, 4, 0), point(1, 3, 0), point(2, 2, 1)] }
    ]);
    const loss = [point(0, 4, 0), point(1, 3, 0), point(2, 2, 1), point(2, 1, 2)];
    expect(store.all).toEqual([
      {
        name: 'loss',
        ranks: 2,
        series: [
          { name: 'loss', rank: 0, points: loss },
          { name: 'loss', rank: 3, points: [point(2, 7, 2)] }
        ]
      },
      { name: 'new', ranks: 1, series: [{ name: 'new', rank: 0, points: [point(3, 9)] }] }
    ]);
  });

  it('has an order that does not depend on which metric was logged first', () => {
    const store = new SeriesStore();
    for (const name of ['system/cpu', 'layer 10', 'loss', 'layer 2', 'accuracy']) {
      store.add(name, 0, point(1, 1));
    }
    const names = ['accuracy', 'layer 2', 'layer 10', 'loss', 'system/cpu'];
    expect(store.all.map(({ name }) => name)).toEqual(names);
  });

  it('keeps the ranks of one metric apart, and counts those that are too many', () => {
    const store = new SeriesStore();
    store.load([{ name: 'loss', rank: 0, ranks: 64, points: [point(1, 1)] }]);
    for (let rank = 0; rank < 20; rank++) {
      store.add('loss', rank, point(2, rank));
    }
    const [{ ranks, series }] = store.all;
    expect(ranks).toBe(64);
    expect(series.map(({ rank }) => rank)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('ranks of a job that is watched from its start', () => {
  it('are the lowest, whichever came first, and all are counted', () => {
    const store = new SeriesStore();
    for (const rank of [12, 3, 15, 9, 1, 14, 0, 8, 2, 13, 5, 4, 11, 7, 10, 6]) {
      store.add('loss', rank, point(1, rank, 0));
    }
    store.add('loss', 12, point(2, 12, 1));
    const [{ ranks, series }] = store.all;
    expect(series.map(({ rank }) => rank)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(ranks).toBe(16);
    expect(store.lowestRank('loss')).toBe(0);
    expect(store.lowestRank('acc')).toBeNull();
  });
});

describe('metrics of another source', () => {
  const values = (store: SeriesStore) =>
    store.all.map(({ name, series }) => [name, series[0].points.map(({ value }) => value)]);

  it('grow with each answer, and give way to what the job itself logs', () => {
    const store = new SeriesStore();
    store.add('loss', 0, point(1, 5));
    store.fill([
      { name: 'loss', points: [point(1, 9)] },
      { name: 'acc', points: [point(1, 0.5)] },
      { name: 'system/cpu', points: [point(1, 10)] }
    ]);
    expect(values(store)).toEqual([
      ['acc', [0.5]],
      ['loss', [5]],
      ['system/cpu', [10]]
    ]);
    store.load([{ name: 'acc', points: [point(0.9, 0.4)] }]);
    store.fill([
      { name: 'acc', points: [point(1, 0.6)] },
      { name: 'system/cpu', points: [point(1, 10), point(2, 20)] }
    ]);
    expect(values(store)).toEqual([
      ['acc', [0.4]],
      ['loss', [5]],
      ['system/cpu', [10, 20]]
    ]);
  });
});

describe('a curve that grows and grows', () => {
  const limit = 4000;

  it('stays bounded with its ends, its extremes and its gaps, at all of its length alike', () => {
    const store = new SeriesStore();
    for (let step = 0; step < 50_000; step++) {
      const value =
        step === 31_234 ? 99 : step === 12_345 ? -99 : step === 40_001 ? null : step % 7;
      store.add('loss', 0, point(step / 10, value, step));
    }
    const [{ points }] = store.all[0].series;
    expect(points.length).toBeLessThanOrEqual(limit);
    expect(points[0].step).toBe(0);
    expect(points.at(-1)?.step).toBe(49_999);
    expect(summarise(points)).toMatchObject({ min: -99, max: 99 });
    expect(points.filter(({ value }) => value === null).map(({ step }) => step)).toEqual([40_001]);
    const steps = points.map(({ step }) => step ?? NaN);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    const tenths = Array.from(
      { length: 9 },
      (_, at) => steps.filter(step => Math.floor(step / 5000) === at).length
    );
    expect(Math.min(...tenths)).toBeGreaterThan(80);
    expect(Math.max(...tenths.slice(0, 8))).toBeLessThan(2 * Math.min(...tenths.slice(0, 8)));
  });

  it('is thinned by time where it has no steps, also when all of it is one moment', () => {
    const burst = Array.from({ length: 6000 }, (_, at) => point(5, at));
    expect(thin(burst, 'time').map(({ value }) => value)).toEqual([0, 5999]);
    const slow = Array.from({ length: 6000 }, (_, at) => point(at, at % 2));
    expect(thin(slow, 'time').length).toBeGreaterThan(1000);
    expect(thin(slow, 'time').length).toBeLessThanOrEqual(2000);
    expect(thin(slow.slice(0, 2000), 'time')).toEqual(slow.slice(0, 2000));
  });

  it('is bounded too when the server tells it, and there are only so many', () => {
    const store = new SeriesStore();
    const points = Array.from({ length: 9000 }, (_, at) => point(at, at));
    store.load([{ name: 'told', points }]);
    store.fill([{ name: 'recorded', points }]);
    const lengths = store.all.map(({ series }) => series[0].points.length <= limit);
    expect(lengths).toEqual([true, true]);
    for (let name = 0; name < 2000; name++) {
      store.add(`metric ${name}`, 0, point(1, 1));
    }
    store.add('told', 0, point(9001, 7));
    expect(store.all).toHaveLength(1000);
    expect(store.all.at(-1)?.series[0].points.at(-1)?.value).toBe(7);
  });
});

describe('a curve', () => {
  it('is summed up without what is not a number, but says when it ends in that', () => {
    const points = [point(1, 5), point(2, null), point(3, 2)];
    expect(summarise(points)).toEqual({ last: 2, min: 2, max: 5, count: 3 });
    const diverged = [...points, point(4, null)];
    expect(summarise(diverged)).toEqual({ last: null, min: 2, max: 5, count: 4 });
    const again = [point(1, 6, 9), point(2, 10, 0)]; // as log_model sends the first values again
    expect(summarise(again).last).toBe(6);
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
    expect(columnsOf(points, 'time', 1)[0]).toEqual([0, 1, 2]);
    const twice = [point(1, 10, 1), point(2, 20, 1)];
    expect(columnsOf(twice, 'step'), 'of one step the latest').toEqual([[1], [20]]);
  });
});

describe('ranks that log the same name', () => {
  const of = (rank: number, ...values: number[]) => ({
    name: 'loss',
    rank,
    points: values.map((value, step) => point(step + rank / 10, value, step))
  });

  it('are told apart only where they logged different values, also when one is behind', () => {
    const series = [of(0, 3, 2, 1), of(1, 3, 2), of(2, 3, 2.5), of(3, 3, 2, 1)];
    expect(differing(series).map(({ rank }) => rank)).toEqual([0, 2]);
  });
});
