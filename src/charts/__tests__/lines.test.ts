import { describe, expect, it } from 'vitest';

import { axisOfAll, canBeLog, isSingle, PLAIN, tableOf } from '../lines';
import type { ILine } from '../lines';
import { smooth } from '../smooth';

function line(values: (number | null)[], fields: Partial<ILine> = {}): ILine {
  const points = values.map((value, step) => ({ at: 100 + step, step, value }));
  return { key: 'a', label: 'a', colour: 0, origin: 100, points, ...fields };
}

describe('the table of a chart', () => {
  it('lays lines over each other by step, or by the time since each began', () => {
    const later = line([5, 6], { key: 'b', origin: 90 });
    expect(tableOf([line([1, 2]), later], 'step', PLAIN)).toEqual([
      [0, 1],
      [1, 2],
      [5, 6]
    ]);
    const [xs, one, other] = tableOf([line([1, 2]), later], 'time', PLAIN);
    expect(xs).toEqual([0, 1, 10, 11]);
    expect([...one].slice(0, 2)).toEqual([1, 2]);
    expect([...other].slice(2)).toEqual([5, 6]);
  });

  it('has a gap where a value is no number, and on a logarithmic axis where it is not above 0', () => {
    const [, values] = tableOf([line([1, null, 0, -2, 4])], 'step', { ...PLAIN, log: true });
    expect(values).toEqual([1, null, null, null, 4]);
    expect(canBeLog([line([0, -1, null])])).toBe(false);
    expect(canBeLog([line([0, -1]), line([2])])).toBe(true);
  });

  it('keeps the values as they are behind the smoothed ones', () => {
    const [, smoothed, raw] = tableOf([line([0, 10, 0, 10])], 'step', { ...PLAIN, smoothing: 0.9 });
    expect(raw).toEqual([0, 10, 0, 10]);
    expect(smoothed[3]).toBeGreaterThan(4);
    expect(smoothed[3]).toBeLessThan(7);
  });
});

describe('smoothing', () => {
  it('begins at the first value, leaves a level as it is and a gap a gap', () => {
    expect(
      smooth([7, 7, null, 7], 0.9).map(value => value && Math.round(value * 1e9) / 1e9)
    ).toEqual([7, 7, null, 7]);
    expect(smooth([4, 8], 0)).toEqual([4, 8]);
  });
});

describe('what is drawn of lines', () => {
  it('is a number where each has one value only', () => {
    expect(isSingle([line([3]), line([4])])).toBe(true);
    expect(isSingle([line([3]), line([4, 5])])).toBe(false);
  });

  it('goes by step where all have steps, unless time is wanted', () => {
    const timed = line([1, 2], {
      points: [
        { at: 1, step: null, value: 1 },
        { at: 2, step: null, value: 2 }
      ]
    });
    expect(axisOfAll([line([1, 2])], PLAIN)).toBe('step');
    expect(axisOfAll([line([1, 2]), timed], PLAIN)).toBe('time');
    expect(axisOfAll([line([1, 2])], { ...PLAIN, byTime: true })).toBe('time');
  });
});
