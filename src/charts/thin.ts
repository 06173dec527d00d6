/** One value of a metric. */
export interface IPoint {
  readonly step: number | null;
  /** Seconds since the epoch. */
  readonly at: number;
  /** null for NaN and infinities. */
  readonly value: number | null;
}

/** By step where every point has one and they differ, else by time. */
export type Axis = 'step' | 'time';

/** Points of one curve at most: more than a chart has pixels, and as many as the server tells. */
export const MOST_POINTS = 2000;

/** Positions of what shapes a curve in one stretch of its axis. */
interface IStretch {
  low?: number;
  high?: number;
  gap?: number;
}

/**
 * Fewer points with the same look: of each stretch of the axis the lowest, the highest and one gap stay, and the first and
 * the last of all. `most`: points to give at most, at least 5.
 */
export function thin(points: readonly IPoint[], axis: Axis, most = MOST_POINTS): IPoint[] {
  if (points.length <= most) {
    return [...points];
  }
  const xs = points.map(point => xOf(point, axis));
  const [start, end] = xs.reduce(
    ([low, high], x) => [Math.min(low, x), Math.max(high, x)],
    [Infinity, -Infinity]
  );
  const stretches: IStretch[] = Array.from({ length: Math.floor((most - 2) / 3) }, () => ({}));
  points.forEach(({ value }, at) => {
    const along = (xs[at] - start) / (end - start || 1);
    const stretch = stretches[Math.min(stretches.length - 1, Math.floor(along * stretches.length))];
    if (value === null) {
      stretch.gap ??= at;
      return;
    }
    if (stretch.low === undefined || value < (points[stretch.low].value ?? 0)) {
      stretch.low = at;
    }
    if (stretch.high === undefined || value > (points[stretch.high].value ?? 0)) {
      stretch.high = at;
    }
  });
  const kept = new Set([0, points.length - 1]);
  for (const { low, high, gap } of stretches) {
    for (const at of [low, high, gap]) {
      if (at !== undefined) {
        kept.add(at);
      }
    }
  }
  return [...kept].sort((a, b) => a - b).map(at => points[at]);
}

/** Where a point is on the axis: its step, or seconds since the epoch. */
export function xOf(point: IPoint, axis: Axis): number {
  return axis === 'step' ? (point.step ?? 0) : point.at;
}
