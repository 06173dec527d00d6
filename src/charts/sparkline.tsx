import { axisOf, columnsOf } from './series';
import { thin } from './thin';
import type { IPoint } from './thin';

const WIDTH = 120;
const HEIGHT = 28;
const EDGE = 2;
const MOST_POINTS = 120;

/** The course of a metric without figures, which stand beside it. Nothing where there is no course yet. */
export function Sparkline({
  points,
  range
}: {
  points: readonly IPoint[];
  /** What the values lie between; without, between the lowest and the highest. */
  range?: readonly [number, number];
}): JSX.Element | null {
  const axis = axisOf(points);
  const [xs, ys] = columnsOf(thin(points, axis, MOST_POINTS), axis);
  const known = ys.filter(value => value !== null);
  if (known.length < 2) {
    return null;
  }
  const [left, right] = [xs[0], xs[xs.length - 1]];
  const [low, high] = range ?? [Math.min(...known), Math.max(...known)];
  const x = (value: number) => EDGE + ((value - left) / (right - left || 1)) * (WIDTH - 2 * EDGE);
  const y = (value: number) =>
    high === low
      ? HEIGHT / 2
      : HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE);
  let path = '';
  let pen = 'M';
  ys.forEach((value, index) => {
    if (value === null) {
      pen = 'M'; // a gap stays one
    } else {
      path += `${pen}${x(xs[index]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = 'L';
    }
  });
  return (
    <svg
      className="mlk-Sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path d={path} fill="none" stroke="currentColor" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
