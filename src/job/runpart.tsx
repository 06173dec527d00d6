import type { TranslationBundle } from '@jupyterlab/translation';

import type { ApiError, JobStatus, RunView } from '../api';
import { figure } from '../components';
import { Copy, Facts } from './parts';
import { wayTo } from './runlink';
import { UNKNOWN } from './words';

export interface IRunPartProps {
  job: JobStatus;
  run: RunView | null;
  runError: ApiError | null;
  trans: TranslationBundle;
  onCopy: (text: string) => void;
}

/** The MLflow run of the job, or why there is none. */
export function RunPart({ job, run, runError, trans, onCopy }: IRunPartProps): JSX.Element {
  const { run: ref } = job;
  if (ref === null || (ref.state !== 'recorded' && !run)) {
    return (
      <p className="mlk-Overview-none">
        {ref?.text ?? trans.__('None yet: it is made when the notebook first uses MLflow.')}
      </p>
    );
  }
  const name = run?.run_name ?? ref.run_name ?? ref.run_id ?? UNKNOWN;
  const way = wayTo(run, location.hostname);
  const told = new Set(job.metrics.map(metric => metric.name));
  const metrics = Object.entries(run?.metrics ?? {}).filter(([key]) => !told.has(key));
  const params = Object.entries(run?.params ?? {});
  return (
    <div className="mlk-Run">
      <p>
        {way.kind === 'link' ? (
          <a href={way.href} target="_blank" rel="noopener noreferrer">
            {name}
          </a>
        ) : (
          <strong>{name}</strong>
        )}
        {run?.status && <span className="mlk-Run-status"> {run.status}</span>}
        {(run?.experiment ?? ref.experiment) && (
          <span> {trans.__('in experiment %1', run?.experiment ?? ref.experiment ?? '')}</span>
        )}
      </p>
      {way.kind === 'link' && way.ssh && (
        <p className="mlk-Overview-none">
          {trans.__(
            "If this page came through an SSH tunnel, the link needs one too. On your own machine run this, with the name of the Jupyter server's machine after it:"
          )}{' '}
          <Copy text={way.ssh} trans={trans} onCopy={onCopy} />
        </p>
      )}
      {way.kind === 'elsewhere' && (
        <p>
          {trans.__(
            "The address of this MLflow server holds on the Jupyter server's machine only. To open it on your own machine, run on that:"
          )}{' '}
          <Copy text={way.ssh} trans={trans} onCopy={onCopy} /> {trans.__('Then open:')}{' '}
          <Copy text={way.url} trans={trans} onCopy={onCopy} />
        </p>
      )}
      {runError && (
        <p className="mlk-Overview-none">
          {runError.detail} {runError.hint}
        </p>
      )}
      {metrics.length > 0 && (
        <Facts
          label={trans.__('Other metrics of the run')}
          rows={metrics.map(([key, value]) => [key, figure(value, trans)])}
        />
      )}
      {params.length > 0 && <Facts label={trans.__('Logged parameters')} rows={params} />}
      <p className="mlk-Run-id">
        {ref.tracking_uri && <span title={trans.__('Tracking server')}>{ref.tracking_uri}</span>}
      </p>
    </div>
  );
}
