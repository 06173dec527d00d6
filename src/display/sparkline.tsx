import type { MetricList } from '../api';

type Points = MetricList['series'][number]['points'];

const WIDTH = 140;
const HEIGHT = 32;
const EDGE = 3;

/** The shape of a curve, for a small place: its figures stand beside it. What is no number is a gap. */
export const Sparkline = ({ points, label }: { points: Points; label: string }): JSX.Element => {
  const values = points.map(({ value }) => value);
  const known = values.filter(value => value !== null);
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const x = (at: number): number =>
    EDGE + (at / Math.max(1, values.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (value: number): number =>
    HEIGHT - EDGE - (span > 0 ? (value - low) / span : 0.5) * (HEIGHT - 2 * EDGE);
  const path = values
    .map((value, at) => {
      const begins = at === 0 || values[at - 1] === null;
      return value === null
        ? ''
        : `${begins ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join('');
  return (
    <svg
      className="mlk-Sparkline"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
    >
      <path d={path} />
    </svg>
  );
};
