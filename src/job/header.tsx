import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { BackendInfo, ErrorBody, JobStatus } from '../api';
import { refusal } from '../backends/words';
import type { Feature } from '../backends/words';
import { ErrorBanner, exactTime, PhaseLabel, useNow } from '../components';
import { canStop, isFinal } from '../jobs/phase';
import { attemptText } from '../jobs/words';
import { PAGES } from './model';
import type { Page } from './model';
import { elapsedText, SECOND_MS } from './words';

export interface IHeaderProps {
  job: JobStatus | null;
  /** Where it runs, if that place is known. */
  backend: BackendInfo | undefined;
  /** Why the job cannot be read. */
  error: ErrorBody | null;
  /** Whether anybody sees it: a hidden header does not count seconds. */
  visible: boolean;
  trans: TranslationBundle;
  onStop: () => void;
  onAgain: () => void;
  onDelete: () => void;
  onOpenNotebook: () => void;
}

/** Name, phase, how long, and what can be done. */
export function Header(props: IHeaderProps): JSX.Element {
  const { job, backend, error, visible, trans } = props;
  const attempt = job && attemptText(job, trans, job.spec.cluster.retries);
  const now = useNow(visible && job !== null && !isFinal(job.phase) ? SECOND_MS : null);
  return (
    <div className="mlk-JobHeader" data-phase={job?.phase}>
      <div className="mlk-JobHeader-line">
        <h1 className="mlk-JobHeader-name">{job?.name ?? trans.__('Job')}</h1>
        {job && (
          <span className="mlk-JobHeader-state">
            <span role="status">
              <PhaseLabel phase={job.phase} trans={trans} />
            </span>
            <span
              className="mlk-JobHeader-time"
              title={exactTime(job.started_at ?? job.created_at)}
            >
              {elapsedText(job, now, trans)}
            </span>
            {attempt && <span>{attempt}</span>}
          </span>
        )}
        {job && (
          <span className="mlk-JobHeader-actions">
            {canStop(job.phase) && (
              <Action
                label={trans.__('Stop')}
                feature="stop"
                backend={backend}
                onClick={props.onStop}
                trans={trans}
              />
            )}
            <button type="button" className="mlk-Button" onClick={props.onAgain}>
              {trans.__('Run again')}
            </button>
            <button type="button" className="mlk-Button" onClick={props.onOpenNotebook}>
              {trans.__('Open notebook')}
            </button>
            {isFinal(job.phase) && (
              <Action
                label={trans.__('Delete')}
                feature="delete"
                backend={backend}
                onClick={props.onDelete}
                trans={trans}
              />
            )}
          </span>
        )}
      </div>
      {error && <ErrorBanner error={error} trans={trans} />}
    </div>
  );
}

interface IActionProps {
  label: string;
  feature: Feature;
  backend: BackendInfo | undefined;
  onClick: () => void;
  trans: TranslationBundle;
}

/** Greyed out where the right is missing, but still to be reached: its tooltip names the right. */
function Action({ label, feature, backend, onClick, trans }: IActionProps): JSX.Element {
  const refused = refusal(backend, feature, trans);
  return (
    <button
      type="button"
      className="mlk-Button"
      aria-disabled={refused ? true : undefined}
      aria-label={refused ? `${label}. ${refused}` : undefined}
      title={refused ?? undefined}
      onClick={refused ? undefined : onClick}
    >
      {label}
    </button>
  );
}

export interface ITabsProps {
  /** Distinguishes the ids of several open jobs. */
  prefix: string;
  page: Page;
  /** Pages that are on the page already: only they can be pointed at. */
  made: readonly Page[];
  trans: TranslationBundle;
  onPage: (page: Page) => void;
  /** The tabs can be focused from now on. */
  onReady: () => void;
}

/** The pages to choose from: arrow keys move, as the ARIA practices for tabs say. */
export function Tabs({ prefix, page, made, trans, onPage, onReady }: ITabsProps): JSX.Element {
  useEffect(() => {
    onReady();
  }, []);
  const onKeyDown = (event: React.KeyboardEvent<HTMLElement>) => {
    const at = PAGES.indexOf(page);
    const to = {
      ArrowRight: (at + 1) % PAGES.length,
      ArrowLeft: (at + PAGES.length - 1) % PAGES.length,
      Home: 0,
      End: PAGES.length - 1
    }[event.key];
    if (to === undefined) {
      return;
    }
    event.preventDefault();
    onPage(PAGES[to]);
    document.getElementById(tabId(prefix, PAGES[to]))?.focus();
  };
  return (
    <div
      className="mlk-JobTabs"
      role="tablist"
      aria-label={trans.__('Pages of the job')}
      onKeyDown={onKeyDown}
    >
      {PAGES.map(each => (
        <button
          key={each}
          type="button"
          role="tab"
          id={tabId(prefix, each)}
          className="mlk-JobTabs-tab"
          aria-selected={each === page}
          aria-controls={made.includes(each) ? panelId(prefix, each) : undefined}
          tabIndex={each === page ? 0 : -1}
          onClick={() => onPage(each)}
        >
          {pageWord(each, trans)}
        </button>
      ))}
    </div>
  );
}

export function tabId(prefix: string, page: Page): string {
  return `${prefix}-tab-${page}`;
}

export function panelId(prefix: string, page: Page): string {
  return `${prefix}-page-${page}`;
}

function pageWord(page: Page, trans: TranslationBundle): string {
  switch (page) {
    case 'overview':
      return trans.__('Overview');
    case 'notebook':
      return trans.__('Notebook');
    case 'log':
      return trans.__('Log');
    case 'metrics':
      return trans.__('Metrics');
  }
}
