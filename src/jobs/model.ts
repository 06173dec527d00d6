import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, Shared } from '../api';
import type { Api, JobsDelta, JobsSnapshot, JobSummary, Link } from '../api';
import type { IJobs, IJobsChange, IMlkChannel } from '../tokens';
import { marksOf, titleOf } from './names';
import { isFinal } from './phase';

export interface IJobsModelOptions {
  api: Api;
  channel: IMlkChannel;
  trans: TranslationBundle;
}

/** The list of jobs; one for the whole window. */
export class JobsModel implements IJobs, IDisposable {
  constructor(options: IJobsModelOptions) {
    this._api = options.api;
    this._channel = options.channel;
    this._trans = options.trans;
    this._channel.linkChanged.connect(this._onLink, this);
    this._topic = new Shared(() =>
      this._channel.subscribe<JobsSnapshot, JobsDelta>('jobs', {
        snapshot: ({ jobs }) => this._replace(jobs),
        delta: ({ changed, removed }) => this._merge(changed, removed),
        error: error => this._fail(new ApiError(error, 0))
      })
    );
  }

  get isDisposed(): boolean {
    return this._topic.isDisposed;
  }

  get isReady(): boolean {
    return this._isReady;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get jobs(): readonly JobSummary[] {
    this._sorted ??= [...this._byId.values()].sort(
      (a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1)
    );
    return this._sorted;
  }

  get active(): { readonly jobs: number; readonly gpus: number } {
    let jobs = 0;
    let gpus = 0;
    for (const job of this._byId.values()) {
      if (job.phase === 'Starting' || job.phase === 'Running' || job.phase === 'Stopping') {
        jobs += 1;
        gpus += job.workers * job.gpus;
      }
    }
    return { jobs, gpus };
  }

  get changed(): ISignal<this, IJobsChange> {
    return this._changed;
  }

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get(id: string): JobSummary | undefined {
    return this._byId.get(id);
  }

  get marks(): ReadonlyMap<string, string> {
    return (this._marks ??= marksOf(this._byId.values()));
  }

  titleOf({ id, name }: Pick<JobSummary, 'id' | 'name'>): string {
    return titleOf(name, this.marks.get(id));
  }

  unfinishedOf(notebook: string): readonly JobSummary[] {
    return this.jobs.filter(job => job.notebook === notebook && !isFinal(job.phase));
  }

  put(job: JobSummary): void {
    // The answer to a submission may come after the socket has told of the job, and more.
    if (job.reason?.code !== 'submitted' || this.get(job.id) === undefined) {
      this._merge([job], []);
    }
  }

  drop(id: string): void {
    this._merge([], [id]);
  }

  follow(): IDisposable {
    return this._topic.hold();
  }

  async load(): Promise<void> {
    if (!this._isReady && !this._topic.isRunning) {
      await this._ask(() => !this._topic.isRunning); // what is told meanwhile is newer
    }
  }

  async refresh(): Promise<void> {
    this._channel.retry();
    await this._ask();
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._topic.dispose();
    this._channel.linkChanged.disconnect(this._onLink, this);
    Signal.clearData(this);
  }

  private async _ask(isWanted = (): boolean => true): Promise<void> {
    try {
      const { jobs } = await this._api.jobs();
      if (isWanted()) {
        this._replace(jobs);
      }
    } catch (error) {
      this._fail(ApiError.from(error, this._trans));
    }
  }

  private _replace(jobs: readonly JobSummary[]): void {
    const before = this._byId;
    this._byId = new Map(jobs.map(job => [job.id, job]));
    this._sorted = null;
    this._marks = null;
    this._isReady = true;
    this._error = null;
    this._changed.emit({
      reset: true,
      changed: jobs,
      removed: [...before.keys()].filter(id => !this._byId.has(id)),
      ended: jobs.filter(job => hasEnded(before.get(job.id), job))
    });
    this._stateChanged.emit();
    this._hold();
  }

  private _merge(changed: readonly JobSummary[], removed: readonly string[]): void {
    const ended = changed.filter(job => hasEnded(this._byId.get(job.id), job));
    const keepsOrder = changed.every(job => this._byId.get(job.id)?.created_at === job.created_at);
    for (const job of changed) {
      this._byId.set(job.id, job);
    }
    const gone = removed.filter(id => this._byId.delete(id));
    if (!keepsOrder || gone.length > 0) {
      this._marks = null;
    }
    // Progress comes four times a second: it does not sort ten thousand jobs each time.
    this._sorted =
      keepsOrder && gone.length === 0 ? this.jobs.map(job => this._byId.get(job.id) ?? job) : null;
    this._changed.emit({ reset: false, changed, removed: gone, ended });
    this._hold();
  }

  /** A job that is not over is followed to its end: what is shown of it, and the word that it has ended. */
  private _hold(): void {
    if (this.jobs.some(job => !isFinal(job.phase))) {
      this._unfinished ??= this._topic.hold();
    } else {
      this._unfinished?.dispose();
      this._unfinished = null;
    }
  }

  private _fail(error: ApiError): void {
    this._error = error;
    this._stateChanged.emit();
  }

  private _onLink(_: IMlkChannel, link: Link): void {
    if (link === 'missing' || link === 'not-allowed') {
      // The socket cannot say why it was refused; the same question over HTTP says it in words.
      void this._ask();
    }
  }

  private readonly _api: Api;
  private readonly _channel: IMlkChannel;
  private readonly _trans: TranslationBundle;
  private readonly _topic: Shared;
  private _unfinished: IDisposable | null = null;
  private readonly _changed = new Signal<this, IJobsChange>(this);
  private readonly _stateChanged = new Signal<this, void>(this);
  private _byId = new Map<string, JobSummary>();
  private _marks: ReadonlyMap<string, string> | null = null;
  private _sorted: readonly JobSummary[] | null = null;
  private _isReady = false;
  private _error: ApiError | null = null;
}

function hasEnded(before: JobSummary | undefined, now: JobSummary): boolean {
  return before !== undefined && !isFinal(before.phase) && isFinal(now.phase);
}
