import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import type { JobSummary } from '../api';
import type { IJobs, IJobsChange } from '../tokens';
import { reasonText } from './words';

const SUCCESS_MS = 8000;
/** What core takes for: no pop-up. */
const SILENT = 0;
/** How many pop up at about the same time: those of a sweep would cover the page. */
const MOST = 3;

export interface IJobToastsOptions {
  jobs: IJobs;
  onOpen: (id: string) => void;
  trans: TranslationBundle;
}

/** A word at the end of each job. */
export class JobToasts implements IDisposable {
  constructor(private readonly _options: IJobToastsOptions) {
    _options.jobs.changed.connect(this._onJobs, this);
  }

  /** Whether a person wants them. */
  isWanted = true;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._options.jobs.changed.disconnect(this._onJobs, this);
  }

  private _onJobs(jobs: IJobs, { ended }: IJobsChange): void {
    if (!this.isWanted) {
      return;
    }
    const { onOpen, trans } = this._options;
    for (const job of ended) {
      const now = Date.now();
      this._shown = this._shown.filter(at => now - at < SUCCESS_MS);
      const isRoom = this._shown.length < MOST;
      if (isRoom) {
        this._shown.push(now);
      }
      tell(job, jobs.titleOf(job), () => onOpen(job.id), isRoom, trans);
    }
  }

  /** When, in milliseconds. */
  private _shown: number[] = [];
  private _isDisposed = false;
}

/** Tells of one job; without room in the list behind the bell only. */
function tell(
  job: JobSummary,
  title: string,
  onOpen: () => void,
  isRoom: boolean,
  trans: TranslationBundle
): void {
  const autoClose = isRoom ? SUCCESS_MS : SILENT;
  const actions: Notification.IAction[] = [
    {
      label: trans.__('Open'),
      caption: trans.__('Open the job %1', title),
      callback: onOpen,
      displayType: 'accent'
    }
  ];
  switch (job.phase) {
    case 'Succeeded':
      Notification.success(trans.__('%1 succeeded', title), { actions, autoClose });
      break;
    case 'Failed':
      // stays: red is for what needs a person
      Notification.error(
        trans.__('%1 failed: %2', title, reasonText(job) ?? trans.__('the reason is not known')),
        { actions, autoClose: isRoom ? false : SILENT }
      );
      break;
    default:
      Notification.info(trans.__('%1 was stopped', title), { actions, autoClose });
  }
}
