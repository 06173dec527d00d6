import type { TranslationBundle } from '@jupyterlab/translation';
import { deleteIcon, fileIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import { memo } from 'react';

import type { BackendInfo, JobSummary } from '../api';
import { placeTitle, refusal } from '../backends/words';
import { IconButton, PhaseLabel, ProgressBar, RelativeTime } from '../components';
import { titleOf } from './names';
import { canStop, isFinal } from './phase';
import {
  ageFrom,
  attemptText,
  metricText,
  progressText,
  reasonText,
  reasonTitle,
  showsProgress,
  sizeText
} from './words';

/** What can be done with a job. Everything asks before it changes something. */
export interface IJobActions {
  open(id: string): void;
  stop(id: string): void;
  again(id: string): void;
  openNotebook(id: string): void;
  remove(id: string): void;
  removeAll(ids: readonly string[]): void;
}

export interface IJobRowProps {
  job: JobSummary;
  /** What tells it from other jobs of its name; "" where nothing is needed. */
  mark: string;
  /** Where it runs, if that place is known. */
  backend: BackendInfo | undefined;
  /** Whether there are several places, so that the row says which. */
  showsPlace: boolean;
  /** Seconds since the epoch. */
  now: number;
  /** Where the row is in the whole list, from 1, and how long that list is. */
  position: number;
  count: number;
  /** Pixels from the top of the list. */
  top: number;
  /** Whether the row is the one that Tab reaches. */
  isCurrent: boolean;
  /** Whether its tab is in front. */
  isOpen: boolean;
  isSelected: boolean;
  /** Whether any row is selected: then all show that they can be. */
  isSelecting: boolean;
  /** Whether the row is one line of columns. */
  isWide: boolean;
  actions: IJobActions;
  /** Selects the row or takes it out of the selection; with a range all between it and the one before. */
  onSelect: (id: string, isRange: boolean) => void;
  onFocus: (id: string) => void;
  trans: TranslationBundle;
}

/** Lines of a row: its height is known without measuring. */
export function linesOf(job: JobSummary): 2 | 3 {
  return showsProgress(job) || reasonText(job) ? 3 : 2;
}

/** One job in two or three lines. */
export const JobRow = memo((props: IJobRowProps): JSX.Element => {
  const { job, mark, backend, now, isCurrent, actions, trans } = props;
  const reason = reasonText(job);
  const title = titleOf(job.name, mark);
  const facts = [
    sizeText(job, trans),
    attemptText(job, trans),
    metricText(job, trans),
    props.showsPlace ? placeTitle(backend, job.backend, trans) : null,
    job.submitted_by && trans.__('by %1', job.submitted_by)
  ]
    .filter(Boolean)
    .join(' · ');
  const tabIndex = isCurrent ? 0 : -1;
  return (
    <li
      className="mlk-JobRow"
      data-job={job.id}
      data-phase={job.phase}
      data-lines={props.isWide ? 1 : linesOf(job)}
      data-open={props.isOpen}
      data-selected={props.isSelected}
      data-selecting={props.isSelecting}
      aria-posinset={props.position}
      aria-setsize={props.count}
      style={{ transform: `translateY(${props.top}px)` }}
      onFocus={() => props.onFocus(job.id)}
    >
      <input
        type="checkbox"
        className="mlk-JobRow-check"
        aria-label={trans.__('Select %1', title)}
        tabIndex={tabIndex}
        checked={props.isSelected}
        onChange={event => props.onSelect(job.id, (event.nativeEvent as MouseEvent).shiftKey)}
      />
      <div className="mlk-JobRow-line">
        <button
          type="button"
          className="mlk-JobRow-open"
          tabIndex={tabIndex}
          aria-current={props.isOpen ? 'true' : undefined}
          title={trans.__('%1, from %2', title, job.notebook)}
          onClick={event => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) {
              props.onSelect(job.id, event.shiftKey);
            } else {
              actions.open(job.id);
            }
          }}
        >
          {job.name}
          {mark && <span className="mlk-JobRow-mark"> · {mark}</span>}
        </button>
        <PhaseLabel phase={job.phase} trans={trans} />
      </div>
      {showsProgress(job) ? (
        <div className="mlk-JobRow-line mlk-JobRow-progress">
          <ProgressBar fraction={job.progress.fraction} label={trans.__('Progress of %1', title)} />
          <span>{progressText(job.progress, trans) ?? trans.__('starting the processes')}</span>
        </div>
      ) : reason ? (
        <div className="mlk-JobRow-line mlk-JobRow-reason" title={reasonTitle(job)}>
          {reason}
        </div>
      ) : null}
      <div className="mlk-JobRow-line mlk-JobRow-facts">
        <span className="mlk-JobRow-fact" title={facts}>
          {facts}
        </span>
        <span aria-hidden="true"> · </span>
        <RelativeTime at={ageFrom(job)} now={now} trans={trans} />
      </div>
      <div className="mlk-JobRow-actions">
        {canStop(job.phase) && (
          <IconButton
            icon={stopIcon}
            label={trans.__('Stop %1', title)}
            refused={refusal(backend, 'stop', trans)}
            tabIndex={tabIndex}
            onClick={() => actions.stop(job.id)}
          />
        )}
        <IconButton
          icon={refreshIcon}
          label={trans.__('Run %1 again', title)}
          tabIndex={tabIndex}
          onClick={() => actions.again(job.id)}
        />
        <IconButton
          icon={fileIcon}
          label={trans.__('Open the notebook of %1', title)}
          tabIndex={tabIndex}
          onClick={() => actions.openNotebook(job.id)}
        />
        {isFinal(job.phase) && (
          <IconButton
            icon={deleteIcon}
            label={trans.__('Delete %1', title)}
            refused={refusal(backend, 'delete', trans)}
            tabIndex={tabIndex}
            onClick={() => actions.remove(job.id)}
          />
        )}
      </div>
    </li>
  );
});
JobRow.displayName = 'JobRow';
