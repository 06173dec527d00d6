import { MOST_POINTS, thin, xOf } from './thin';
import type { Axis, IPoint } from './thin';

/** What one rank logged under one name. */
export interface ISeries {
  readonly name: string;
  readonly rank: number;
  readonly points: readonly IPoint[];
}

/** One metric: the series of each rank that logged it, the lowest rank's first. */
export interface IMetric {
  readonly name: string;
  /** How many ranks logged it: of many, not every one has a series here. */
  readonly ranks: number;
  readonly series: readonly ISeries[];
}

/** What can be said of a curve in words. */
export interface ISummary {
  readonly last: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
}

/** A series as the server tells it. */
type Told = Omit<ISeries, 'rank'> & { readonly rank?: number; readonly ranks?: number };

/** Metrics of one job at most, and ranks of one metric, as many as the server tells. */
const MOST_METRICS = 1000;
const MOST_RANKS = 8;
const SYSTEM = 'system/';

/**
 * The curves of one job: what the server has told, and what came since.
 *
 * Bounded: a curve that grows to twice what is drawn is thinned, and a metric beyond the limit is left out. Of more ranks
 * than the limit the lowest stay, as on the server.
 */
export class SeriesStore {
  /** All metrics, by name. */
  get all(): readonly IMetric[] {
    return [...this._points.keys()].sort(byName).map(name => {
      const byRank = [...this._points.get(name)!].sort(([one], [other]) => one - other);
      return {
        name,
        ranks: Math.max(this._told.get(name) ?? 0, this._ranks.get(name)?.size ?? 0),
        series: byRank.map(([rank, points]) => ({ name, rank, points }))
      };
    });
  }

  /** The lowest rank that has a curve of this name; null where none has. */
  lowestRank(name: string): number | null {
    const byRank = this._points.get(name);
    return byRank ? Math.min(...byRank.keys()) : null;
  }

  /** One point as it comes. */
  add(name: string, rank: number, point: IPoint): void {
    this._filled.delete(name);
    const points = this._points.get(name)?.get(rank) ?? [];
    points.push(point);
    this._keep(name, rank, points);
  }

  /** What the server knows; points that came meanwhile and that it did not know yet stay. */
  load(told: readonly Told[]): void {
    const live = new Map(this._points);
    this._points.clear();
    for (const { name, rank = 0, ranks = 1, points } of told) {
      if (this._filled.delete(name)) {
        live.delete(name);
      }
      this._told.set(name, ranks);
      const last = points.at(-1);
      const newer = (live.get(name)?.get(rank) ?? []).filter(
        point => last === undefined || isAfter(point, last, points)
      );
      this._keep(name, rank, [...points, ...newer]);
      live.get(name)?.delete(rank);
    }
    for (const [name, byRank] of live) {
      for (const [rank, points] of byRank) {
        this._keep(name, rank, points);
      }
    }
  }

  /** Metrics of another source, anew with each call; what is known by the same name from elsewhere stays. */
  fill(told: readonly Told[]): void {
    const lacking = told.filter(({ name }) => this._filled.has(name) || !this._points.has(name));
    for (const { name } of lacking) {
      this._points.delete(name);
      this._filled.add(name);
    }
    for (const { name, rank = 0, points } of lacking) {
      this._keep(name, rank, [...points]);
    }
  }

  private _keep(name: string, rank: number, points: IPoint[]): void {
    if (!this._points.has(name) && this._points.size >= MOST_METRICS) {
      return;
    }
    const byRank = this._points.get(name) ?? new Map<number, IPoint[]>();
    this._points.set(name, byRank);
    this._ranks.set(name, (this._ranks.get(name) ?? new Set()).add(rank));
    const isLong = points.length > 2 * MOST_POINTS;
    byRank.set(rank, isLong ? thin(points, axisOf(points)) : points);
    if (byRank.size > MOST_RANKS) {
      byRank.delete(Math.max(...byRank.keys()));
    }
  }

  private readonly _points = new Map<string, Map<number, IPoint[]>>();
  /** Ranks that were seen to log a metric, whether their curves are kept or not. */
  private readonly _ranks = new Map<string, Set<number>>();
  /** How many ranks logged a metric, as the server said. */
  private readonly _told = new Map<string, number>();
  /** Metrics that only the other source has. */
  private readonly _filled = new Set<string>();
}

/** An order that does not depend on what was logged first: by name, what MLflow measures by itself last. */
export function byName(one: string, other: string): number {
  return (
    Number(one.startsWith(SYSTEM)) - Number(other.startsWith(SYSTEM)) ||
    one.localeCompare(other, 'en', { numeric: true })
  );
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

/** The series that say something of their own: the first, and those that differ from it at a step both have. */
export function differing(series: readonly ISeries[]): readonly ISeries[] {
  const [first, ...others] = series;
  if (!first || others.length === 0) {
    return series;
  }
  const known = byPlace(first.points);
  return [
    first,
    ...others.filter(({ points }) =>
      [...byPlace(points)].some(([place, value]) => known.has(place) && known.get(place) !== value)
    )
  ];
}

/** Values by step; by their place in the order where they have none. */
function byPlace(points: readonly IPoint[]): Map<number, number | null> {
  return new Map(points.map(({ step, value }, index) => [step ?? index, value]));
}

/**
 * The latest value (null: it is no number, as a diverging loss) and the extremes; null where there is none. The latest is
 * that of the highest step, then of the latest time, as MLflow has it.
 */
export function summarise(points: readonly IPoint[]): ISummary {
  let min: number | null = null;
  let max: number | null = null;
  let last: IPoint | undefined;
  for (const point of points) {
    if (last === undefined || isLater(point, last)) {
      last = point;
    }
    const { value } = point;
    if (value !== null) {
      min = min === null || value < min ? value : min;
      max = max === null || value > max ? value : max;
    }
  }
  return { last: last?.value ?? null, min, max, count: points.length };
}

function isLater(point: IPoint, other: IPoint): boolean {
  const [step, otherStep] = [point.step ?? 0, other.step ?? 0];
  return step === otherStep ? point.at >= other.at : step > otherStep;
}

/** Which axis tells more. */
export function axisOf(points: readonly IPoint[]): Axis {
  const steps = new Set(points.map(point => point.step));
  return !steps.has(null) && (steps.size > 1 || points.length === 1) ? 'step' : 'time';
}

/**
 * The two columns that are drawn: x ascending, a gap is null; of values at the same place the latest.
 *
 * `origin`: seconds since the epoch from which times count.
 */
export function columnsOf(
  points: readonly IPoint[],
  axis: Axis,
  origin = 0
): [number[], (number | null)[]] {
  const shift = axis === 'time' ? origin : 0;
  const rows = [...points].sort(
    (one, other) => xOf(one, axis) - xOf(other, axis) || one.at - other.at
  );
  const byX = new Map(rows.map(point => [xOf(point, axis) - shift, point.value]));
  return [[...byX.keys()], [...byX.values()]];
}
