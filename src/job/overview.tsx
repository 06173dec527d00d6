import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactNode } from 'react';

import type { ApiError, BackendInfo, JobStatus, RankStatus, RunView } from '../api';
import { isCluster } from '../backends/words';
import { bytes, duration, exactTime, figure, ProgressBar, useNow } from '../components';
import { isFinal } from '../jobs/phase';
import { progressText } from '../jobs/words';
import { askedOfCluster } from './asked';
import { Attempts } from './attempts';
import { SECOND_MS, steps, UNKNOWN } from './words';

export interface IOverviewProps {
  job: JobStatus;
  /** Where it runs, if that place is known. */
  backend: BackendInfo | undefined;
  run: RunView | null;
  runError: ApiError | null;
  visible: boolean;
  trans: TranslationBundle;
  onCopy: (text: string) => void;
  /** Shows the log of one rank. */
  onLog: (rank: number) => void;
}

/** Everything about the job on one page, the most wanted first. */
export function Overview(props: IOverviewProps): JSX.Element {
  const { job, backend, trans } = props;
  const parameters = Object.entries(job.spec.parameters);
  const environment = Object.keys(job.spec.env);
  return (
    <div className="mlk-Overview">
      <Why {...props} />
      <Timeline {...props} />
      {job.notices.length > 0 && (
        <ul className="mlk-Overview-notices" aria-label={trans.__('Notices')}>
          {job.notices.map(notice => (
            <li key={notice}>{notice}</li>
          ))}
        </ul>
      )}
      <Part title={trans.__('Ranks')}>
        <Ranks {...props} />
      </Part>
      {job.attempts.length > 0 && (
        <Part title={trans.__('Earlier attempts')}>
          <Attempts attempts={job.attempts} trans={trans} />
        </Part>
      )}
      <Part title={trans.__('MLflow run')}>
        <Run {...props} />
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

/** Why the job is where it is, and how far. */
function Why({ job, trans }: IOverviewProps): JSX.Element | null {
  const { reason, progress } = job;
  return (
    <div className="mlk-Overview-why" data-phase={job.phase}>
      {reason && (
        <p className="mlk-Overview-reason">
          {reason.text} {reason.hint && <span className="mlk-Overview-hint">{reason.hint}</span>}
        </p>
      )}
      {job.error && job.error !== reason?.text && (
        <p className="mlk-Overview-error">
          <code>{job.error}</code>
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

function Ranks({ job, trans, onLog }: IOverviewProps): JSX.Element {
  if (job.ranks.length === 0) {
    return (
      <p className="mlk-Overview-none">
        {isFinal(job.phase)
          ? trans.__('No process was started.')
          : trans.__('No process has been started yet.')}
      </p>
    );
  }
  const hasGpus = job.gpus > 0 || job.ranks.some(rank => (rank.sample?.gpus.length ?? 0) > 0);
  return (
    <table className="mlk-Ranks">
      <thead>
        <tr>
          <th scope="col" className="mlk-mod-figure">
            {trans.__('Rank')}
          </th>
          <th scope="col">{trans.__('Where')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col" className="mlk-mod-figure">
            {trans.__('CPU')}
          </th>
          <th scope="col" className="mlk-mod-figure">
            {trans.__('Memory')}
          </th>
          {hasGpus && (
            <th scope="col" className="mlk-mod-figure">
              {trans.__('GPU')}
            </th>
          )}
          <th scope="col" className="mlk-mod-wide">
            {trans.__('Last line')}
          </th>
        </tr>
      </thead>
      <tbody>
        {job.ranks.map(rank => (
          <Rank key={rank.rank} rank={rank} hasGpus={hasGpus} trans={trans} onLog={onLog} />
        ))}
      </tbody>
    </table>
  );
}

interface IRankProps {
  rank: RankStatus;
  hasGpus: boolean;
  trans: TranslationBundle;
  onLog: (rank: number) => void;
}

function Rank({ rank, hasGpus, trans, onLog }: IRankProps): JSX.Element {
  const { sample } = rank;
  // What an ended process used last says nothing about now; how much it held is worth knowing.
  const cpu = rank.state === 'running' ? (sample?.cpu_cores ?? null) : null;
  const memory = sample?.memory_bytes ?? null;
  return (
    <tr data-state={rank.state}>
      <td className="mlk-mod-figure">
        <button
          type="button"
          className="mlk-TextButton"
          title={trans.__('Show the log of rank %1', rank.rank)}
          onClick={() => onLog(rank.rank)}
        >
          {rank.rank}
        </button>
      </td>
      <td>{rank.where ?? <Unknown trans={trans} />}</td>
      <td>
        {stateWords(rank, trans)}
        {rank.why && <div className="mlk-Ranks-why">{rank.why}</div>}
      </td>
      <td className="mlk-mod-figure">
        {cpu === null ? <Unknown trans={trans} /> : trans.__('%1 cores', cpu.toFixed(1))}
      </td>
      <td className="mlk-mod-figure">
        {memory === null ? <Unknown trans={trans} /> : bytes(memory)}
      </td>
      {hasGpus && (
        <td className="mlk-mod-figure">
          {sample && sample.gpus.length > 0 ? (
            sample.gpus.map(gpu => (
              <div key={gpu.index} title={gpu.name ?? undefined}>
                {gpu.busy === null ? UNKNOWN : `${Math.round(gpu.busy * 100)} %`}
                {' · '}
                {gpu.memory_bytes === null ? UNKNOWN : bytes(gpu.memory_bytes)}
                {gpu.memory_total_bytes === null ? '' : ` / ${bytes(gpu.memory_total_bytes)}`}
              </div>
            ))
          ) : (
            <Unknown trans={trans} />
          )}
        </td>
      )}
      <td className="mlk-Ranks-line" title={rank.last_line ?? undefined}>
        {rank.last_line ?? <Unknown trans={trans} />}
      </td>
    </tr>
  );
}

function Run({ job, run, runError, trans }: IOverviewProps): JSX.Element {
  const { run: ref } = job;
  if (ref === null || (ref.state !== 'recorded' && !run)) {
    return (
      <p className="mlk-Overview-none">
        {ref?.text ?? trans.__('None yet: it is made when the notebook first uses MLflow.')}
      </p>
    );
  }
  const name = run?.run_name ?? ref.run_name ?? ref.run_id ?? UNKNOWN;
  const url = run?.url && /^https?:/.test(run.url) ? run.url : null;
  const metrics = Object.entries(run?.metrics ?? {});
  const params = Object.entries(run?.params ?? {});
  return (
    <div className="mlk-Run">
      <p>
        {url ? (
          <a href={url} target="_blank" rel="noopener noreferrer">
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
      {runError && (
        <p className="mlk-Overview-none">
          {runError.detail} {runError.hint}
        </p>
      )}
      {metrics.length > 0 && (
        <Facts
          label={trans.__('Metrics')}
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

function Part({ title, children }: { title: string; children: ReactNode }): JSX.Element {
  return (
    <section className="mlk-Part">
      <h2 className="mlk-Part-title">{title}</h2>
      {children}
    </section>
  );
}

/** Names and values in two aligned columns. */
function Facts({
  rows,
  label
}: {
  rows: readonly (readonly [string, ReactNode])[];
  label?: string;
}): JSX.Element {
  return (
    <dl className="mlk-Facts" aria-label={label}>
      {rows.map(([name, value]) => (
        <div key={name} className="mlk-Facts-row">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Copy({
  text,
  trans,
  onCopy
}: {
  text: string;
  trans: TranslationBundle;
  onCopy: (text: string) => void;
}): JSX.Element {
  return (
    <>
      <code>{text}</code>{' '}
      <button
        type="button"
        className="mlk-TextButton"
        aria-label={trans.__('Copy %1', text)}
        onClick={() => onCopy(text)}
      >
        {trans.__('Copy')}
      </button>
    </>
  );
}

function Unknown({ trans }: { trans: TranslationBundle }): JSX.Element {
  return <span title={trans.__('Not known')}>{UNKNOWN}</span>;
}

function asked(
  job: JobStatus,
  environment: readonly string[],
  backend: BackendInfo | undefined,
  trans: TranslationBundle
): [string, ReactNode][] {
  const { spec } = job;
  return [
    [trans.__('Workers'), spec.workers],
    [trans.__('Ranks'), job.world_size],
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

function stateWords(rank: RankStatus, trans: TranslationBundle): string {
  if (rank.signal && rank.state !== 'stopped') {
    return trans.__('Killed by %1', rank.signal);
  }
  switch (rank.state) {
    case 'waiting':
      return trans.__('Waiting');
    case 'running':
      return trans.__('Running');
    case 'succeeded':
      return trans.__('Succeeded');
    case 'stopped':
      return trans.__('Stopped');
    case 'failed':
      return rank.exit_code === null
        ? trans.__('Failed')
        : trans.__('Failed, exit code %1', rank.exit_code);
  }
}
