import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { Api, ErrorBody, JobStatus, LogPiece, MetricList } from '../api';
import { settled } from '../job/logtext';
import type { IMlkChannel } from '../tokens';

/** Lines of the log that are kept. */
const LINES = 8;
/** More of the log's end than so many characters is not looked at. */
const TAIL = 8192;
/** Curves are asked for at most so often. */
const CURVES_MS = 3000;
/** What moves a terminal's cursor or colours its text. */
// eslint-disable-next-line no-control-regex -- that is what they are
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g;

export type Curves = MetricList['series'];

export interface IDisplayModelOptions {
  api: Pick<Api, 'metrics'>;
  channel: IMlkChannel;
  /** Told the first time that the job is known. */
  onKnown?: (job: JobStatus) => void;
}

/** One job as its display needs it, while somebody looks: the status, the end of the log, the curves. */
export class DisplayModel implements IDisposable {
  constructor(
    readonly id: string,
    private readonly _options: IDisplayModelOptions
  ) {}

  /** Null while the server has not told of the job, and when it does not know it (any more). */
  get status(): JobStatus | null {
    return this._status;
  }

  /** Why this is not the latest, if so. */
  get error(): ErrorBody | null {
    return this._error;
  }

  /** The last lines that rank 0 wrote, oldest first. */
  get lines(): readonly string[] {
    return settled(this._tail.replace(ESCAPES, ''))
      .split('\n')
      .filter(line => line.trim())
      .slice(-LINES);
  }

  get curves(): Curves {
    return this._curves;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Keeps it up to date until the returned disposable is disposed. */
  follow(): IDisposable {
    const { channel } = this._options;
    const job = channel.subscribe<JobStatus>(`job/${this.id}`, {
      snapshot: status => this._take(status),
      delta: status => this._take(status),
      error: error => this._fail(error)
    });
    const log = channel.subscribe<LogPiece>(`job/${this.id}/log/0`, {
      snapshot: ({ text }) => this._write(text),
      delta: ({ text }) => this._write(this._tail + text)
    });
    this._isFollowed = true;
    return new DisposableDelegate(() => {
      this._isFollowed = false;
      job.dispose();
      log.dispose();
    });
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
    Signal.clearData(this);
  }

  private _take(status: JobStatus): void {
    const isNew = this._status === null;
    this._status = status;
    this._error = null;
    if (isNew) {
      this._options.onKnown?.(status);
    }
    void this._ask();
    this._changed.emit();
  }

  private _fail(error: ErrorBody): void {
    this._error = error;
    if (error.code === 'job_not_found') {
      this._status = null; // the summary in the notebook has what was last known
    }
    this._changed.emit();
  }

  private _write(text: string): void {
    this._tail = text.slice(-TAIL);
    this._changed.emit();
  }

  /** Asks for the curves when there are values that they do not have, and not too often. */
  private async _ask(): Promise<void> {
    const newest = Math.max(0, ...(this._status?.metrics ?? []).map(({ at }) => at));
    if (newest <= this._asked || this._timer !== undefined || !this._isFollowed) {
      return;
    }
    this._asked = newest;
    this._timer = setTimeout(() => {
      this._timer = undefined;
      void this._ask();
    }, CURVES_MS);
    try {
      const { series } = await this._options.api.metrics(this.id);
      this._curves = series;
    } catch {
      return; // the latest values stand beside them, and they come with the next ones
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  private _status: JobStatus | null = null;
  private _error: ErrorBody | null = null;
  private _tail = '';
  private _curves: Curves = [];
  /** When the newest value was logged that the curves were asked for, in seconds since the epoch. */
  private _asked = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isFollowed = false;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, void>(this);
}
