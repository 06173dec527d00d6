import type { TranslationBundle } from '@jupyterlab/translation';

import type { ErrorBody } from '../api';
import { ErrorBanner } from '../components';
import { Chart } from './chart';
import type { ISeries } from './series';

export interface IMetricsProps {
  series: readonly ISeries[];
  /** Whether the server has told what it knows. */
  isLoaded: boolean;
  /** Whether the job is over. */
  final: boolean;
  error: ErrorBody | null;
  version: number;
  theme: string;
  trans: TranslationBundle;
  onRetry: () => void;
}

/** One chart a metric, small multiples. */
export function Metrics(props: IMetricsProps): JSX.Element {
  const { series, error, trans } = props;
  return (
    <div className="mlk-Metrics">
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {series.length === 0 && !error && <p className="mlk-Metrics-none">{none(props)}</p>}
      <div className="mlk-Metrics-charts">
        {series.map(each => (
          <Chart
            key={each.name}
            series={each}
            version={props.version}
            theme={props.theme}
            trans={trans}
          />
        ))}
      </div>
    </div>
  );
}

function none({ isLoaded, final, trans }: IMetricsProps): string {
  if (!isLoaded) {
    return trans.__('Asking the server for the metrics.');
  }
  return final
    ? trans.__(
        'This job has logged no metrics. What a notebook logs with mlflow.log_metric() or mlk_jupyter.log_metric() is drawn here.'
      )
    : trans.__(
        'No metrics yet. What the notebook logs with mlflow.log_metric() or mlk_jupyter.log_metric() is drawn here as it comes.'
      );
}
