import type { TranslationBundle } from '@jupyterlab/translation';
import { InputGroup, searchIcon } from '@jupyterlab/ui-components';
import { useMemo } from 'react';

import type { ApiError, BackendInfo, JobSummary } from '../api';
import { ErrorBanner } from '../components';
import { JobList } from './list';
import { phaseWord } from './phase';
import type { IJobActions } from './row';
import { matches } from './words';

export interface IJobsViewProps {
  jobs: readonly JobSummary[];
  /** What tells each of them from others of its name. */
  marks: ReadonlyMap<string, string>;
  /** The places where jobs run. */
  backends: readonly BackendInfo[];
  isReady: boolean;
  error: ApiError | null;
  query: string;
  /** What a screen reader says: the latest change of a phase. */
  announcement: string;
  actions: IJobActions;
  onQuery: (query: string) => void;
  onRetry: () => void;
  onRun: () => void;
  trans: TranslationBundle;
}

/** The section “Jobs”: filter, list, and the sentences for when there is none. */
export const JobsView = (props: IJobsViewProps): JSX.Element => {
  const { jobs, marks, backends, isReady, error, query, actions, trans } = props;
  const shown = useMemo(
    () =>
      query.trim()
        ? jobs.filter(job => {
            const place = backends.find(({ name }) => name === job.backend)?.title;
            return matches(
              job,
              query,
              phaseWord(job.phase, trans),
              place ?? job.backend,
              marks.get(job.id)
            );
          })
        : jobs,
    [jobs, marks, backends, query, trans]
  );
  return (
    <div className="mlk-Jobs">
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {(jobs.length > 0 || query) && (
        <div className="mlk-Jobs-filter">
          <InputGroup
            type="text"
            placeholder={trans.__('Filter jobs')}
            aria-label={trans.__('Filter jobs by name, notebook, phase or place')}
            rightIcon={searchIcon}
            value={query}
            onChange={event => props.onQuery(event.target.value)}
          />
        </div>
      )}
      {shown.length > 0 ? (
        <JobList
          jobs={shown}
          marks={props.marks}
          backends={backends}
          actions={actions}
          trans={trans}
        />
      ) : (
        <Nothing {...props} hasJobs={jobs.length > 0} isKnown={isReady || error !== null} />
      )}
      <div className="mlk-visually-hidden" role="status" aria-live="polite">
        {props.announcement}
      </div>
    </div>
  );
};

/** Why there is no row, and what to do. */
const Nothing = (
  props: IJobsViewProps & { hasJobs: boolean; isKnown: boolean }
): JSX.Element | null => {
  const { error, query, hasJobs, isKnown, trans } = props;
  if (!isKnown) {
    return <p className="mlk-Jobs-empty">{trans.__('The list of jobs is on its way.')}</p>;
  }
  if (hasJobs) {
    return (
      <div className="mlk-Jobs-empty">
        <p>{trans.__('No job matches “%1”.', query.trim())}</p>
        <button type="button" className="mlk-Button" onClick={() => props.onQuery('')}>
          {trans.__('Show all jobs')}
        </button>
      </div>
    );
  }
  if (error) {
    return null;
  }
  return (
    <div className="mlk-Jobs-empty">
      <p>
        {trans.__(
          'No jobs yet. Open a notebook and run it here: you watch its cells, and keep what it made.'
        )}
      </p>
      <button type="button" className="mlk-Button" data-primary="true" onClick={props.onRun}>
        {trans.__('Run a notebook')}
      </button>
    </div>
  );
};
