import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobStatus, RankStatus } from '../api';
import { bytes } from '../components';
import { isFinal } from '../jobs/phase';
import { Unknown } from './parts';
import { stateWord, UNKNOWN } from './words';

export interface IProcessesProps {
  job: JobStatus;
  trans: TranslationBundle;
  /** Shows the log of one rank. */
  onLog: (rank: number) => void;
}

/** The processes of the job, one row a rank. */
export function Processes({ job, trans, onLog }: IProcessesProps): JSX.Element {
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

function stateWords(rank: RankStatus, trans: TranslationBundle): string {
  if (rank.signal && rank.state !== 'stopped') {
    return trans.__('Killed by %1', rank.signal);
  }
  return rank.state === 'failed' && rank.exit_code !== null
    ? trans.__('Failed, exit code %1', rank.exit_code)
    : stateWord(rank.state, trans);
}
