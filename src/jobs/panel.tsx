import { ReactWidget, SidePanel } from '@jupyterlab/ui-components';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';

import { Places } from '../backends/places';
import { jobsIcon } from '../components';
import type { IJobs, IJobsChange } from '../tokens';
import { PanelHeader } from './header';
import { phaseWord } from './phase';
import type { IJobActions } from './row';
import { JobsView } from './view';

export interface IJobsPanelOptions {
  jobs: IJobs;
  actions: IJobActions;
  /** Opens the submit dialog for the notebook in front. */
  onRun: () => void;
  /** Asks whether to remove what is left of jobs that are gone. */
  onRemoveOrphans: () => void;
  translator: ITranslator;
}

/** The side panel. Other features add their sections below the jobs. */
export class JobsPanel extends SidePanel {
  constructor(options: IJobsPanelOptions) {
    super({ translator: options.translator });
    this.id = 'mlk-jupyter-panel';
    this.addClass('mlk-Panel');
    const { jobs } = options;
    this.title.icon = jobsIcon;
    this.title.caption = jobs.trans.__('Jobs');
    this.node.setAttribute('aria-label', jobs.trans.__('Jobs'));
    this.header.addWidget(new Header(options));
    this.addWidget(new Section(options));
  }
}

/** Draws again, at most once a frame and only in view, when the jobs change. */
abstract class JobsWidget extends ReactWidget {
  constructor(protected readonly options: IJobsPanelOptions) {
    super();
    this.jobs = options.jobs;
    this.trans = options.jobs.trans;
    this.jobs.stateChanged.connect(this.onState, this);
    this.jobs.backends.changed.connect(this.onState, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.jobs.stateChanged.disconnect(this.onState, this);
      this.jobs.backends.changed.disconnect(this.onState, this);
      super.dispose();
    }
  }

  protected override onAfterShow(_: Message): void {
    this.update();
  }

  protected onState(): void {
    if (this.isVisible) {
      this.update();
    }
  }

  protected readonly jobs: IJobs;
  protected readonly trans: TranslationBundle;
}

class Header extends JobsWidget {
  protected override render(): JSX.Element {
    return (
      <>
        <PanelHeader
          link={this.jobs.link}
          onRun={this.options.onRun}
          onRefresh={() => void this.jobs.refresh()}
          trans={this.trans}
        />
        <Places
          backends={this.jobs.backends.all}
          orphans={this.jobs.backends.orphans}
          onRemoveOrphans={this.options.onRemoveOrphans}
          trans={this.trans}
        />
      </>
    );
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    if (this.isVisible) {
      void this.jobs.backends.lookForOrphans();
    }
  }
}

class Section extends JobsWidget {
  constructor(options: IJobsPanelOptions) {
    super(options);
    this.addClass('mlk-JobsSection');
    this.jobs.changed.connect(this._onChanged, this);
    this._retitle();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.jobs.changed.disconnect(this._onChanged, this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    return (
      <JobsView
        jobs={this.jobs.jobs}
        backends={this.jobs.backends.all}
        isReady={this.jobs.isReady}
        error={this.jobs.error}
        query={this._query}
        announcement={this._announcement}
        actions={this.options.actions}
        onQuery={query => {
          this._query = query;
          this.update();
        }}
        onRetry={() => void this.jobs.refresh()}
        onRun={this.options.onRun}
        trans={this.trans}
      />
    );
  }

  private _onChanged(_: IJobs, change: IJobsChange): void {
    const said = change.changed.filter(job => this._phases.get(job.id) !== job.phase);
    if (!change.reset) {
      this._announcement =
        said.map(job => `${job.name}: ${phaseWord(job.phase, this.trans)}`).join('. ') ||
        this._announcement;
    }
    this._phases = new Map(this.jobs.jobs.map(job => [job.id, job.phase]));
    this._retitle();
    this.onState();
  }

  private _retitle(): void {
    const { jobs } = this.jobs.active;
    this.title.label =
      jobs > 0
        ? this.trans._n('Jobs · %1 running', 'Jobs · %1 running', jobs)
        : this.trans.__('Jobs');
  }

  private _query = '';
  private _announcement = '';
  private _phases = new Map<string, string>();
}
