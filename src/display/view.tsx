import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo, JobStatus, Link } from '../api';
import { placeTitle, refusal } from '../backends/words';
import { Sparkline } from '../charts/sparkline';
import { exactTime, figure, PhaseLabel, ProgressBar, useNow } from '../components';
import type { Page } from '../job/model';
import { elapsedText, SECOND_MS, stateWord } from '../job/words';
import { canStop, isFinal } from '../jobs/phase';
import { progressText, reasonText, showsProgress, sizeText } from '../jobs/words';
import { linkHint, linkText } from '../panel/words';
import type { Curves } from './model';

/** Metrics that are shown; the tab of the job has all. */
const MOST_METRICS = 4;
/** Ranks whose trouble is told one by one. */
const MOST_RANKS = 4;

export interface IDisplayProps {
  job: JobStatus;
  /** What tells it from other jobs of its name. */
  mark: string;
  /** Where it runs, if that place is known. */
  backend: BackendInfo | undefined;
  lines: readonly string[];
  curves: Curves;
  link: Link;
  visible: boolean;
  trans: TranslationBundle;
  onStop: () => void;
  onOpen: (page: Page) => void;
}

/** A job below the cell that started it. */
export const Display = (props: IDisplayProps): JSX.Element => {
  const { job, mark, backend, link, visible, trans } = props;
  const now = useNow(visible && !isFinal(job.phase) ? SECOND_MS : null);
  const reason = reasonText(job);
  const more = job.reason && job.reason.text !== reason ? job.reason.text : null;
  const said = reason === null ? [] : [more, job.reason?.hint ?? null];
  return (
    <section
      className="mlk-Display"
      data-phase={job.phase}
      aria-label={trans.__('Job %1', job.name)}
    >
      <div className="mlk-Display-head">
        <strong className="mlk-Display-name">{job.name}</strong>
        {mark && <span className="mlk-Display-fact">{mark}</span>}
        <span role="status">
          <PhaseLabel phase={job.phase} trans={trans} />
        </span>
        <span className="mlk-Display-fact" title={exactTime(job.started_at ?? job.created_at)}>
          {elapsedText(job, now, trans)}
        </span>
        <span className="mlk-Display-fact">{sizeText(job, trans)}</span>
        <span className="mlk-Display-fact">{placeTitle(backend, job.backend, trans)}</span>
        <Buttons {...props} />
      </div>
      {link !== 'live' && !isFinal(job.phase) && (
        <p className="mlk-Display-words" role="status" title={linkHint(link, trans)}>
          {trans.__('This may not be the latest. %1', linkText(link, trans))}
        </p>
      )}
      {reason && <p className="mlk-Display-reason">{reason}</p>}
      {said.filter(Boolean).map(words => (
        <p key={words} className="mlk-Display-words">
          {words}
        </p>
      ))}
      {job.notices.map(notice => (
        <p key={notice} className="mlk-Display-words">
          {notice}
        </p>
      ))}
      {showsProgress(job) && (
        <div className="mlk-Display-progress">
          <ProgressBar
            fraction={job.progress.fraction}
            label={trans.__('Progress of %1', job.name)}
          />
          <span>{progressText(job.progress, trans) ?? trans.__('starting')}</span>
        </div>
      )}
      <Troubles {...props} />
      <Metrics {...props} />
      <Lines {...props} />
    </section>
  );
};

const Buttons = ({ job, backend, trans, onStop, onOpen }: IDisplayProps): JSX.Element => {
  const refused = refusal(backend, 'stop', trans);
  return (
    <span className="mlk-Display-buttons">
      {canStop(job.phase) && (
        <button
          type="button"
          className="mlk-Button"
          aria-disabled={refused ? true : undefined}
          title={refused ?? trans.__('Stop the job and keep what it made so far')}
          onClick={refused ? undefined : onStop}
        >
          {trans.__('Stop')}
        </button>
      )}
      <button type="button" className="mlk-Button" onClick={() => onOpen('log')}>
        {trans.__('Log')}
      </button>
      <button type="button" className="mlk-Button" onClick={() => onOpen('notebook')}>
        {trans.__('Notebook')}
      </button>
      <button type="button" className="mlk-Button" onClick={() => onOpen('overview')}>
        {trans.__('Open job')}
      </button>
    </span>
  );
};

/** What single processes have to say, the first few; how many run where there are several. */
const Troubles = ({ job, trans }: IDisplayProps): JSX.Element | null => {
  const troubled = job.ranks.filter(({ why, state }) => why !== null && state !== 'succeeded');
  const states = [...new Set(job.ranks.map(({ state }) => state))];
  if (troubled.length === 0 && (job.ranks.length < 2 || states.length < 2)) {
    return null;
  }
  const counts = states.map(state =>
    trans.__(
      '%1: %2',
      stateWord(state, trans),
      job.ranks.filter(rank => rank.state === state).length
    )
  );
  const more = troubled.length - MOST_RANKS;
  return (
    <ul className="mlk-Display-ranks">
      {job.ranks.length > 1 && <li>{counts.join(', ')}</li>}
      {troubled.slice(0, MOST_RANKS).map(({ rank, why }) => (
        <li key={rank}>{trans.__('rank %1: %2', rank, why)}</li>
      ))}
      {more > 0 && <li>{trans._n('and %1 more', 'and %1 more', more)}</li>}
    </ul>
  );
};

const Metrics = ({ job, curves, trans }: IDisplayProps): JSX.Element | null => {
  if (job.metrics.length === 0) {
    return null;
  }
  return (
    <dl className="mlk-Display-metrics">
      {job.metrics.slice(0, MOST_METRICS).map(({ name, value, step }) => {
        const points = curves.find(curve => curve.name === name)?.points ?? [];
        return (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <strong>{figure(value, trans)}</strong>
              {step !== null && (
                <span className="mlk-Display-fact"> {trans.__('step %1', step)}</span>
              )}
              {points.length > 1 && (
                <span
                  className="mlk-Display-curve"
                  role="img"
                  aria-label={trans.__('%1, %2 values', name, points.length)}
                >
                  <Sparkline points={points} />
                </span>
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
};

const Lines = ({ lines, trans }: IDisplayProps): JSX.Element | null =>
  lines.length === 0 ? null : (
    <pre
      className="mlk-Display-log"
      role="log"
      aria-live="off" // a job writes faster than anybody listens
      aria-label={trans.__('Last lines of the log')}
      tabIndex={0} // so that keys scroll it
    >
      {lines.join('\n')}
    </pre>
  );
