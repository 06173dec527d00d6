import type { TranslationBundle } from '@jupyterlab/translation';

import type { Metric } from '../api';
import { Sparkline } from '../charts';
import type { IMetric } from '../charts';
import { figure } from '../components';

export interface ITilesProps {
  /** The latest values, what matters most first. */
  metrics: readonly Metric[];
  /** Their course, as far as it is known. */
  trends: readonly IMetric[];
  trans: TranslationBundle;
}

/** The latest value of each metric, with its course, in the order of the job. */
export function Tiles({ metrics, trends, trans }: ITilesProps): JSX.Element | null {
  if (metrics.length === 0) {
    return null;
  }
  const courses = new Map(trends.map(({ name, series }) => [name, series[0].points]));
  return (
    <ul className="mlk-Tiles" aria-label={trans.__('Metrics')}>
      {metrics.map(({ name, value, step }) => (
        <li key={name} className="mlk-Tile">
          <span className="mlk-Tile-name" title={name}>
            {name}
          </span>
          <span className="mlk-Tile-value">{figure(value, trans)}</span>
          {step !== null && <span className="mlk-Tile-step">{trans.__('step %1', step)}</span>}
          <Sparkline points={courses.get(name) ?? []} />
        </li>
      ))}
    </ul>
  );
}
