import type { TranslationBundle } from '@jupyterlab/translation';
import { InputGroup, searchIcon } from '@jupyterlab/ui-components';
import { useMemo } from 'react';

import type { ApiError, BackendInfo, JobSummary, Phase } from '../api';
import { placeTitle } from '../backends/words';
import { ErrorBanner } from '../components';
import { PhaseFilter, Selection } from './filter';
import { JobList } from './list';
import { phaseWord } from './phase';
import type { IJobActions } from './row';
import { toggled } from './toggled';
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
  /** The phases that are shown; none: all of them. */
  phases: ReadonlySet<Phase>;
  selected: ReadonlySet<string>;
  /** The job whose tab is in front. */
  openId: string | null;
  /** What a screen reader says: the latest change of a phase. */
  announcement: string;
  actions: IJobActions;
  onQuery: (query: string) => void;
  onPhases: (phases: ReadonlySet<Phase>) => void;
  onSelect: (selected: ReadonlySet<string>) => void;
  onRetry: () => void;
  onRun: () => void;
  trans: TranslationBundle;
}

/** The section “Jobs”: filter, list, and the sentences for when there is none. */
export const JobsView = (props: IJobsViewProps): JSX.Element => {
  const { jobs, marks, backends, isReady, error, query, phases, actions, trans } = props;
  const found = useMemo(
    () =>
      query.trim()
        ? jobs.filter(job => {
            const place = backends.find(({ name }) => name === job.backend);
            return matches(
              job,
              query,
              phaseWord(job.phase, trans),
              placeTitle(place, job.backend, trans),
              marks.get(job.id)
            );
          })
        : jobs,
    [jobs, marks, backends, query, trans]
  );
  const shown = useMemo(
    () => (phases.size > 0 ? found.filter(job => phases.has(job.phase)) : found),
    [found, phases]
  );
  const selected = useMemo(
    () => shown.filter(job => props.selected.has(job.id)).map(job => job.id),
    [shown, props.selected]
  );
  return (
    <div className="mlk-Jobs">
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {(jobs.length > 0 || query || phases.size > 0) && (
        <div className="mlk-Jobs-filter">
          <InputGroup
            type="text"
            placeholder={trans.__('Filter jobs')}
            aria-label={trans.__('Filter jobs by name, notebook, phase or place')}
            rightIcon={searchIcon}
            value={query}
            onChange={event => props.onQuery(event.target.value)}
          />
          <PhaseFilter
            jobs={found}
            phases={phases}
            trans={trans}
            onToggle={phase => props.onPhases(toggled(phases, phase))}
          />
          <Selection
            shown={shown.length}
            all={jobs.length}
            selected={selected.length}
            trans={trans}
            onDelete={() => actions.removeAll(selected)}
            onClear={() => props.onSelect(new Set())}
          />
        </div>
      )}
      {shown.length > 0 ? (
        <JobList
          jobs={shown}
          marks={marks}
          backends={backends}
          selected={props.selected}
          openId={props.openId}
          actions={actions}
          onSelect={props.onSelect}
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
        <p>
          {query.trim()
            ? trans.__('No job matches “%1”.', query.trim())
            : trans.__('No job is in this phase.')}
        </p>
        <button
          type="button"
          className="mlk-Button"
          onClick={() => {
            props.onQuery('');
            props.onPhases(new Set());
          }}
        >
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
        {trans.__('Run as a job…')}
      </button>
    </div>
  );
};
