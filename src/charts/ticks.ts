import type { TranslationBundle } from '@jupyterlab/translation';

import { duration, figure } from '../components';

/** Distances of ticks on an axis of steps: steps are whole. */
export const STEP_INCREMENTS = range(0, 15).flatMap(power => [1, 2, 5].map(of => of * 10 ** power));

/** Distances of ticks on an axis of seconds, as people count them. */
export const TIME_INCREMENTS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map(minutes => minutes * 60),
  ...[1, 2, 3, 6, 12].map(hours => hours * 3600),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map(days => days * 86400)
];

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** A value at an axis; 0 between very small ones stays 0. */
export function valueTick(
  value: number | null,
  all: readonly (number | null)[],
  trans: TranslationBundle
): string {
  if (value === null) {
    return ''; // one of the many lines of a logarithmic axis
  }
  const span = Math.abs((all.at(-1) ?? 0) - (all.at(0) ?? 0));
  return figure(Math.abs(value) < span * 1e-9 ? 0 : value, trans);
}

/** Seconds at an axis. */
export function timeTick(seconds: number, trans: TranslationBundle): string {
  return seconds !== 0 && Math.abs(seconds) < 1
    ? trans.__('%1 s', Number(seconds.toFixed(3)))
    : duration(seconds, trans);
}
