import { MOST_POINTS, thin, xOf } from './thin';
import type { Axis, IPoint } from './thin';

export interface ISeries {
  readonly name: string;
  readonly points: readonly IPoint[];
}

/** What can be said of a curve in words. */
export interface ISummary {
  readonly last: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
}

/** Curves of one job at most, as many as the server tells. */
const MOST_SERIES = 1000;

/**
 * The curves of one job: what the server has told, and what came since.
 *
 * Bounded: a curve that grows to twice what is drawn is thinned, and a further metric beyond the limit is left out.
 */
export class SeriesStore {
  /** All series, in the order in which they first appeared. */
  get all(): readonly ISeries[] {
    return [...this._points].map(([name, points]) => ({ name, points }));
  }

  /** One point as it comes. */
  add(name: string, point: IPoint): void {
    const points = this._points.get(name) ?? [];
    points.push(point);
    this._keep(name, points);
  }

  /** What the server knows; points that came meanwhile and that it did not know yet stay. */
  load(series: readonly ISeries[]): void {
    const live = new Map(this._points);
    this._points.clear();
    for (const { name, points } of series) {
      const known = [...points];
      const last = known.at(-1);
      const newer = (live.get(name) ?? []).filter(
        point => last === undefined || isAfter(point, last, known)
      );
      this._keep(name, [...known, ...newer]);
      live.delete(name);
    }
    for (const [name, points] of live) {
      this._keep(name, points);
    }
  }

  /** Curves of another source; what is known by the same name stays. */
  fill(series: readonly ISeries[]): void {
    for (const { name, points } of series) {
      if (!this._points.has(name)) {
        this._keep(name, [...points]);
      }
    }
  }

  private _keep(name: string, points: IPoint[]): void {
    if (this._points.has(name) || this._points.size < MOST_SERIES) {
      const isLong = points.length > 2 * MOST_POINTS;
      this._points.set(name, isLong ? thin(points, axisOf(points)) : points);
    }
  }

  private readonly _points = new Map<string, IPoint[]>();
}

/** Frames are stamped in milliseconds: points of the same moment are told apart by their step. */
function isAfter(point: IPoint, last: IPoint, known: readonly IPoint[]): boolean {
  if (point.at !== last.at) {
    return point.at > last.at;
  }
  for (let index = known.length - 1; index >= 0 && known[index].at === point.at; index--) {
    if (known[index].step === point.step) {
      return false;
    }
  }
  return true;
}

/** The last value (null: it is no number, as a diverging loss) and the extremes; null where there is none. */
export function summarise(points: readonly IPoint[]): ISummary {
  let min: number | null = null;
  let max: number | null = null;
  for (const { value } of points) {
    if (value === null) {
      continue;
    }
    min = min === null || value < min ? value : min;
    max = max === null || value > max ? value : max;
  }
  return { last: points.at(-1)?.value ?? null, min, max, count: points.length };
}

/** Which axis tells more. */
export function axisOf(points: readonly IPoint[]): Axis {
  const steps = new Set(points.map(point => point.step));
  return !steps.has(null) && (steps.size > 1 || points.length === 1) ? 'step' : 'time';
}

/** The two columns that uPlot draws: x ascending (steps, or seconds since the epoch), a gap is null. */
export function columnsOf(points: readonly IPoint[], axis: Axis): [number[], (number | null)[]] {
  const rows = points.map(point => [xOf(point, axis), point.value] as const);
  rows.sort((one, other) => one[0] - other[0]);
  return [rows.map(row => row[0]), rows.map(row => row[1])];
}
