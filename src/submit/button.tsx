import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, ToolbarButtonComponent } from '@jupyterlab/ui-components';

import type { JobSummary } from '../api';
import { jobsIcon, PhaseIcon } from '../components';
import { phaseWord } from '../jobs/phase';
import { progressText } from '../jobs/words';
import type { IJobs } from '../tokens';

export interface IRunButtonOptions {
  jobs: IJobs;
  context: DocumentRegistry.Context;
  /** The path without the name of a drive. */
  localPath: (path: string) => string;
  onRun: () => void;
  onOpen: (id: string) => void;
  trans: TranslationBundle;
}

/** In a notebook's toolbar: runs it; while a job of it runs, says how far it is and opens it. */
export class RunButton extends ReactWidget {
  constructor(private readonly _options: IRunButtonOptions) {
    super();
    this.addClass('jp-ToolbarButton');
    this.addClass('mlk-RunButton');
    _options.jobs.changed.connect(this.update, this);
    _options.context.pathChanged.connect(this.update, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._options.jobs.changed.disconnect(this.update, this);
      this._options.context.pathChanged.disconnect(this.update, this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    const { jobs, context, localPath, onRun, onOpen, trans } = this._options;
    const job = jobs.unfinishedOf(localPath(context.path)).at(0);
    return (
      <>
        <ToolbarButtonComponent
          icon={jobsIcon}
          label={trans.__('Run as a job')}
          tooltip={trans.__('Save the notebook and run it as a job')}
          onClick={onRun}
        />
        {job && <RunningJob job={job} onOpen={onOpen} trans={trans} />}
      </>
    );
  }
}

interface IRunningJobProps {
  job: JobSummary;
  onOpen: (id: string) => void;
  trans: TranslationBundle;
}

const RunningJob = ({ job, onOpen, trans }: IRunningJobProps): JSX.Element => {
  const { fraction } = job.progress;
  const word = phaseWord(job.phase, trans);
  return (
    <button
      type="button"
      className="mlk-RunButton-state"
      title={[trans.__('Open the job %1', job.name), progressText(job.progress, trans)]
        .filter(Boolean)
        .join(' · ')}
      onClick={() => onOpen(job.id)}
    >
      <PhaseIcon phase={job.phase} />
      {job.phase === 'Running' && fraction !== null
        ? trans.__('%1 %2 %', word, Math.floor(fraction * 100))
        : word}
    </button>
  );
};
