import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobStatus } from '../api';

export interface IFailureProps {
  job: JobStatus;
  trans: TranslationBundle;
  /** Shows a cell of the notebook, by its index. */
  onCell: (cell: number) => void;
  /** Shows the log of one rank. */
  onLog: (rank: number) => void;
}

/** What ended a job that failed: the exception of the rank that failed first, or the reason in words; and where to look. */
export function Failure({ job, trans, onCell, onLog }: IFailureProps): JSX.Element | null {
  const { failure, reason } = job;
  const words = job.error && job.error !== reason?.text ? job.error : null;
  const exception = failure?.ename
    ? [failure.ename, failure.evalue].filter(Boolean).join(': ')
    : words;
  const cell = failure?.cell ?? null;
  const rank = failure?.rank ?? job.ranks.find(({ state }) => state === 'failed')?.rank ?? null;
  if (!exception && !reason) {
    return null;
  }
  return (
    <section className="mlk-Failure" aria-label={trans.__('Why it failed')}>
      <h2 className="mlk-Failure-title">{title(job, trans)}</h2>
      {exception && <pre className="mlk-Failure-exception">{exception}</pre>}
      {reason && (
        <p className="mlk-Failure-reason">
          {!failure?.ename && reason.text}{' '}
          {reason.hint && <span className="mlk-Overview-hint">{reason.hint}</span>}
        </p>
      )}
      {(cell !== null || rank !== null) && (
        <p className="mlk-Failure-actions">
          {cell !== null && (
            <button type="button" className="mlk-Button" onClick={() => onCell(cell)}>
              {trans.__('Go to cell')}
            </button>
          )}
          {rank !== null && (
            <button type="button" className="mlk-Button" onClick={() => onLog(rank)}>
              {job.world_size > 1 ? trans.__('Log of rank %1', rank) : trans.__('Log')}
            </button>
          )}
        </p>
      )}
    </section>
  );
}

function title({ failure, world_size: size }: JobStatus, trans: TranslationBundle): string {
  if (!failure) {
    return trans.__('Failed');
  }
  const { number, rank } = failure;
  if (size === 1) {
    return number === null ? trans.__('Failed') : trans.__('Failed in cell %1', number);
  }
  return number === null
    ? trans.__('Rank %1 failed first', rank)
    : trans.__('Rank %1 failed first, in cell %2', rank, number);
}
