import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactNode } from 'react';

import type { ApiError, BackendInfo, JobStatus, RunView } from '../api';
import { isCluster } from '../backends/words';
import type { IMetric } from '../charts';
import { duration, exactTime, ProgressBar, useNow } from '../components';
import { isFinal } from '../jobs/phase';
import { progressText } from '../jobs/words';
import { askedOfCluster } from './asked';
import { Attempts } from './attempts';
import { Failure } from './failure';
import { Copy, Facts, Part, Unknown } from './parts';
import { Processes } from './processes';
import { RunPart } from './runpart';
import { Tiles } from './tiles';
import { SECOND_MS, steps } from './words';

export interface IOverviewProps {
  job: JobStatus;
  /** Where it runs, if that place is known. */
  backend: BackendInfo | undefined;
  run: RunView | null;
  runError: ApiError | null;
  /** The course of the metrics. */
  trends: readonly IMetric[];
  visible: boolean;
  trans: TranslationBundle;
  onCopy: (text: string) => void;
  /** Shows the log of one rank. */
  onLog: (rank: number) => void;
  /** Shows a cell of the notebook, by its index. */
  onCell: (cell: number) => void;
}

/** Everything about the job on one page, the most wanted first. */
export function Overview(props: IOverviewProps): JSX.Element {
  const { job, backend, trans } = props;
  const parameters = Object.entries(job.spec.parameters);
  const environment = Object.keys(job.spec.env);
  return (
    <div className="mlk-Overview">
      {job.phase === 'Failed' && <Failure {...props} />}
      <Tiles metrics={job.metrics} trends={props.trends} trans={trans} />
      <Why {...props} />
      <Timeline {...props} />
      {job.notices.length > 0 && (
        <ul className="mlk-Overview-notices" aria-label={trans.__('Notices')}>
          {job.notices.map(notice => (
            <li key={notice}>{notice}</li>
          ))}
        </ul>
      )}
      <Part title={trans.__('Processes')}>
        <Processes {...props} />
      </Part>
      {job.attempts.length > 0 && (
        <Part title={trans.__('Earlier attempts')}>
          <Attempts attempts={job.attempts} trans={trans} />
        </Part>
      )}
      <Part title={trans.__('MLflow run')}>
        <RunPart {...props} />
      </Part>
      <div className="mlk-Overview-columns">
        <Part title={trans.__('Parameters')}>
          {parameters.length === 0 ? (
            <p className="mlk-Overview-none">{trans.__('As the notebook has them.')}</p>
          ) : (
            <Facts
              rows={parameters.map(([name, value]) => [name, <code>{JSON.stringify(value)}</code>])}
            />
          )}
        </Part>
        <Part title={trans.__('Asked for')}>
          <Facts rows={asked(job, environment, backend, trans)} />
        </Part>
        <Part title={trans.__('Where it is')}>
          <Facts
            rows={[
              [trans.__('Runs on'), backend?.title ?? job.backend],
              ...placeRows(backend, trans),
              [trans.__('Job'), <Copy key="id" text={job.id} {...props} />],
              ...(job.submitted_by === null
                ? []
                : [[trans.__('Submitted by'), job.submitted_by] as const]),
              [trans.__('Notebook'), <Copy key="notebook" text={job.notebook} {...props} />],
              [
                trans.__('Folder'),
                job.folder === null ? (
                  <Unknown trans={trans} />
                ) : (
                  <Copy key="folder" text={job.folder} {...props} />
                )
              ]
            ]}
          />
        </Part>
      </div>
    </div>
  );
}

/** Why the job is where it is, and how far; why it failed is told above. */
function Why({ job, trans }: IOverviewProps): JSX.Element | null {
  const { reason, progress } = job;
  return (
    <div className="mlk-Overview-why" data-phase={job.phase}>
      {reason && job.phase !== 'Failed' && (
        <p className="mlk-Overview-reason">
          {reason.text} {reason.hint && <span className="mlk-Overview-hint">{reason.hint}</span>}
        </p>
      )}
      {job.started_at !== null && (
        <div className="mlk-Overview-progress">
          <ProgressBar fraction={progress.fraction} label={trans.__('Progress')} />
          <span>{progressText(progress, trans, isFinal(job.phase))}</span>
        </div>
      )}
    </div>
  );
}

function Timeline({ job, visible, trans }: IOverviewProps): JSX.Element {
  const now = useNow(visible && !isFinal(job.phase) ? SECOND_MS : null);
  return (
    <ol className="mlk-Timeline" aria-label={trans.__('Timeline')}>
      {steps(job, now, trans).map(step => (
        <li key={step.key} title={step.title} aria-current={step.current ? 'step' : undefined}>
          {step.text}
        </li>
      ))}
    </ol>
  );
}

function asked(
  job: JobStatus,
  environment: readonly string[],
  backend: BackendInfo | undefined,
  trans: TranslationBundle
): [string, ReactNode][] {
  const { spec } = job;
  const words: [string, ReactNode][] =
    spec.arguments.length === 0
      ? []
      : [[trans.__('Arguments'), <code>{spec.arguments.join(' ')}</code>]];
  return [
    ...words,
    [trans.__('Workers'), spec.workers],
    [trans.__('Processes'), job.world_size],
    [trans.__('GPUs'), spec.gpus === 0 ? trans.__('none') : trans.__('%1 a worker', spec.gpus)],
    [
      trans.__('Time limit'),
      spec.time_limit_s === null ? trans.__('none') : duration(spec.time_limit_s, trans)
    ],
    [
      trans.__('Environment'),
      environment.length === 0 ? trans.__('nothing set') : environment.join(', ')
    ],
    ...(isCluster(backend) ? askedOfCluster(spec.cluster, trans) : []),
    [trans.__('Submitted'), exactTime(job.created_at)]
  ];
}

function placeRows(
  backend: BackendInfo | undefined,
  trans: TranslationBundle
): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [];
  if (backend?.context) {
    rows.push([trans.__('Context'), backend.context]);
  }
  if (backend?.namespace) {
    rows.push([trans.__('Namespace'), backend.namespace]);
  }
  return rows;
}
