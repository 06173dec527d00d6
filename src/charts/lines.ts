import uPlot from 'uplot';

import { axisOf, columnsOf } from './series';
import { smooth } from './smooth';
import type { Axis, IPoint } from './thin';

/** One line of a chart. */
export interface ILine {
  /** Which of several lines it is. */
  readonly key: string;
  /** What it is called beside others. */
  readonly label: string;
  /** Which of the colours it has, from 0; beyond the last they begin anew. */
  readonly colour: number;
  readonly points: readonly IPoint[];
  /** Seconds since the epoch from which its times count. */
  readonly origin: number;
}

/** How lines are drawn. */
export interface ILook {
  /** By time, also where every line has steps. */
  readonly byTime: boolean;
  readonly log: boolean;
  /** 0: as they are, to below 1. */
  readonly smoothing: number;
}

export const PLAIN: ILook = { byTime: false, log: false, smoothing: 0 };

/** How many colours there are: `--mlk-line-0` and so on. */
export const COLOURS = 8;

/** By step where every line can be drawn so, unless time is wanted. */
export function axisOfAll(lines: readonly ILine[], { byTime }: ILook): Axis {
  return !byTime && lines.every(({ points }) => axisOf(points) === 'step') ? 'step' : 'time';
}

/** Whether there is no curve to draw: every line has one value, which is best told as a number. */
export function isSingle(lines: readonly ILine[]): boolean {
  return lines.every(({ points }) => points.length < 2);
}

/** Whether any value can stand on a logarithmic axis. */
export function canBeLog(lines: readonly ILine[]): boolean {
  return lines.some(({ points }) => points.some(({ value }) => value !== null && value > 0));
}

/**
 * What uPlot draws: the places, then for each line its values, smoothed where that is wanted, and then, behind them, for
 * each line its values as they are. On a logarithmic axis what is not above 0 is a gap.
 */
export function tableOf(lines: readonly ILine[], axis: Axis, look: ILook): uPlot.AlignedData {
  const tables = lines.map(({ points, origin }): uPlot.AlignedData => {
    const [xs, values] = columnsOf(points, axis, origin);
    const raw = look.log
      ? values.map(value => (value !== null && value > 0 ? value : null))
      : values;
    return [xs, look.smoothing > 0 ? smooth(raw, look.smoothing) : raw, raw];
  });
  if (tables.length === 0) {
    return [[]];
  }
  const [xs, ...columns] = uPlot.join(tables);
  const pick = (offset: number) => columns.filter((_, index) => index % 2 === offset);
  return [xs, ...pick(0), ...(look.smoothing > 0 ? pick(1) : [])];
}
