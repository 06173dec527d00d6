import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { Api, ErrorBody, JobStatus, RunView } from '../api';
import { SeriesStore } from '../charts/series';
import { isFinal } from '../jobs/phase';
import type { IMlkChannel } from '../tokens';
import { FramesFeed, LogFeed } from './feeds';

/** The pages of the tab, in their order. */
export const PAGES = ['overview', 'notebook', 'log', 'metrics'] as const;
export type Page = (typeof PAGES)[number];

export function isPage(value: unknown): value is Page {
  return PAGES.includes(value as Page);
}

/** A tracking server that is being started is asked again after so long. */
const RUN_RETRY_MS = 2000;

/**
 * One job as its tab needs it: nothing while it is hidden, the status while it is in view, frames and log while a page
 * shows them.
 */
export class JobModel implements IDisposable {
  constructor(
    readonly id: string,
    private readonly _api: Api,
    private readonly _channel: IMlkChannel,
    private readonly _trans: TranslationBundle
  ) {
    this.frames = new FramesFeed(id, _api, _channel);
  }

  readonly frames: FramesFeed;

  /** The course of the metrics, as far as Overview needs it. */
  readonly trends = new SeriesStore();

  /** Null before the first answer. */
  get status(): JobStatus | null {
    return this._status;
  }

  /** Why the job cannot be read, if so. */
  get error(): ErrorBody | null {
    return this._error;
  }

  /** The MLflow run as the tracking server tells it; null while not known. */
  get run(): RunView | null {
    return this._run;
  }

  /** Why the run cannot be shown, if so. */
  get runError(): ApiError | null {
    return this._runError;
  }

  /** `status`, `error`, `run` or `runError` changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The log of one rank; the same object until another rank is asked for. */
  log(rank: number): LogFeed {
    if (this._log?.rank !== rank) {
      this._log?.dispose();
      this._log = new LogFeed(this.id, rank, this._api, this._channel);
    }
    return this._log;
  }

  /** Subscribes what the page needs and nothing else; null when the tab is hidden. */
  show(page: Page | null): void {
    this._page = page;
    this._follow(page !== null);
    this.frames.active = page === 'notebook' || page === 'metrics';
    if (this._log) {
      this._log.active = page === 'log';
    }
    if (page === 'overview') {
      void this._loadRun();
      void this._loadTrends();
    }
  }

  /** Shows an answer of the server before the socket tells it. */
  put(status: JobStatus): void {
    this._take(status);
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    clearTimeout(this._runTimer);
    this._follow(false);
    this.frames.dispose();
    this._log?.dispose();
    Signal.clearData(this);
  }

  private _follow(wanted: boolean): void {
    if (wanted) {
      this._subscription ??= this._channel.subscribe<JobStatus>(`job/${this.id}`, {
        snapshot: status => this._take(status),
        delta: status => this._take(status),
        error: error => this._fail(error)
      });
    } else {
      this._subscription?.dispose();
      this._subscription = null;
    }
  }

  private _take(status: JobStatus): void {
    const before = this._status;
    this._status = status;
    this._error = null;
    this._addToTrends(before, status);
    this._changed.emit();
    if (
      this._page === 'overview' &&
      (before?.phase !== status.phase || before.run?.run_id !== status.run?.run_id)
    ) {
      void this._loadRun();
    }
    const names = new Set(before?.metrics.map(({ name }) => name));
    const isOver = before !== null && before.phase !== status.phase && isFinal(status.phase);
    if (
      this._page === 'overview' &&
      before &&
      (isOver || status.metrics.some(({ name }) => !names.has(name)))
    ) {
      void this._loadTrends(); // a status has the latest value only
    }
  }

  private _fail(error: ErrorBody): void {
    this._error = error;
    this._changed.emit();
  }

  /** The server's curves where there are some: what is asked in vain is asked again when the page is shown. */
  private async _loadTrends(): Promise<void> {
    try {
      const { series } = await this._api.metrics(this.id);
      if (!this._isDisposed) {
        this.trends.load(series);
        this._changed.emit();
      }
    } catch {
      // The tiles have their values; the page of the metrics tells what is wrong.
    }
  }

  private _addToTrends(before: JobStatus | null, { metrics }: JobStatus): void {
    const known = new Map(before?.metrics.map(metric => [metric.name, metric]));
    for (const { name, at, step, value } of metrics) {
      const last = known.get(name);
      // A status has the value of the lowest rank that logged it, and does not say which one that is.
      const rank = this.trends.lowestRank(name);
      if (rank !== null && last && (last.at !== at || last.step !== step)) {
        this.trends.add(name, rank, { at, step, value });
      }
    }
  }

  private async _loadRun(): Promise<void> {
    if (!this._status?.run?.run_id) {
      return;
    }
    const asked = ++this._runAsked;
    try {
      const run = await this._api.run(this.id);
      if (asked === this._runAsked) {
        this._run = run;
        this._runError = null;
      }
    } catch (error) {
      if (asked === this._runAsked && !this._isDisposed) {
        this._runError = ApiError.from(error, this._trans);
        this._askAgain();
      }
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  /** While somebody looks and the server says that it will know soon. */
  private _askAgain(): void {
    clearTimeout(this._runTimer);
    if (this._runError?.status === 503) {
      this._runTimer = setTimeout(() => {
        if (this._page === 'overview') {
          void this._loadRun();
        }
      }, RUN_RETRY_MS);
    }
  }

  private _runTimer: ReturnType<typeof setTimeout> | undefined;
  private _status: JobStatus | null = null;
  private _error: ErrorBody | null = null;
  private _run: RunView | null = null;
  private _runError: ApiError | null = null;
  private _runAsked = 0;
  private _page: Page | null = null;
  private _log: LogFeed | null = null;
  private _isDisposed = false;
  private _subscription: IDisposable | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
