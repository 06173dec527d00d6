import type { TranslationBundle } from '@jupyterlab/translation';

import type { Phase } from '../api';
import { Rendered } from '../components';
import type { IBackends, IJobs, IJobsChange } from '../tokens';
import { phaseWord } from './phase';
import type { IJobActions } from './row';
import { JobsView } from './view';

export interface IJobsSectionOptions {
  jobs: IJobs;
  backends: IBackends;
  actions: IJobActions;
  /** Opens the submit dialog for the notebook in front. */
  onRun: () => void;
  trans: TranslationBundle;
}

/** The list of jobs in the side panel. */
export class JobsSection extends Rendered {
  constructor(private readonly _options: IJobsSectionOptions) {
    const { jobs, backends } = _options;
    super(() => this._view(), { signals: [jobs.stateChanged, backends.changed] });
    this.addClass('mlk-JobsSection');
    jobs.changed.connect(this._onJobs, this);
  }

  /** The job whose tab is in front, which is marked. */
  set openId(id: string | null) {
    if (id !== this._openId) {
      this._openId = id;
      this.onSignal();
    }
  }

  private _view(): JSX.Element {
    const { jobs, backends, actions, onRun, trans } = this._options;
    return (
      <JobsView
        jobs={jobs.jobs}
        marks={jobs.marks}
        backends={backends.all}
        isReady={jobs.isReady}
        error={jobs.error}
        query={this._query}
        phases={this._shown}
        selected={this._selected}
        openId={this._openId}
        announcement={this._announcement}
        actions={actions}
        onQuery={query => {
          this._query = query;
          this.update();
        }}
        onPhases={phases => {
          this._shown = phases;
          this.update();
        }}
        onSelect={selected => {
          this._selected = selected;
          this.update();
        }}
        onRetry={() => void jobs.refresh()}
        onRun={onRun}
        trans={trans}
      />
    );
  }

  private _onJobs(jobs: IJobs, change: IJobsChange): void {
    const said = change.changed.filter(job => this._phases.get(job.id) !== job.phase);
    if (!change.reset) {
      this._announcement =
        said
          .map(job => `${jobs.titleOf(job)}: ${phaseWord(job.phase, this._options.trans)}`)
          .join('. ') || this._announcement;
    }
    if (change.removed.some(id => this._selected.has(id))) {
      this._selected = new Set([...this._selected].filter(id => jobs.get(id)));
    }
    this._phases = new Map(jobs.jobs.map(job => [job.id, job.phase]));
    this.onSignal();
  }

  private _query = '';
  private _shown: ReadonlySet<Phase> = new Set();
  private _selected: ReadonlySet<string> = new Set();
  private _openId: string | null = null;
  private _announcement = '';
  private _phases = new Map<string, string>();
}
