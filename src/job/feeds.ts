import type * as nbformat from '@jupyterlab/nbformat';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { Api, ErrorBody, FramePiece, FramesSnapshot, LogPiece } from '../api';
import { SeriesStore } from '../charts/series';
import type { IMlkChannel } from '../tokens';
import { Replay } from './replay';
import type { Change, Frame } from './replay';

/** At most this often a fresh snapshot is asked for because an update cannot be placed. */
const RESYNC_MS = 2000;
/** Older log text comes in pieces of this size. */
const OLDER_BYTES = 64 * 1024;

/**
 * The frames of one job while somebody looks: the notebook as it grows, and the metrics.
 *
 * Subscribed only while active; when activated again it goes on where it stopped.
 */
export class FramesFeed implements IDisposable {
  constructor(
    private readonly _id: string,
    private readonly _api: Api,
    private readonly _channel: IMlkChannel
  ) {}

  /** Metrics so far. Complete once `loadMetrics` has been answered. */
  readonly series = new SeriesStore();

  /** The notebook of the latest snapshot; what came since is in `replay`. Null before the first. */
  get notebook(): nbformat.INotebookContent | null {
    return this._notebook;
  }

  get replay(): Replay | null {
    return this._replay;
  }

  /** Whether the job is over and everything has arrived. */
  get final(): boolean {
    return this._final;
  }

  /** Why the frames cannot be read, if so. */
  get error(): ErrorBody | null {
    return this._error;
  }

  /** A snapshot has replaced the notebook. */
  get loaded(): ISignal<this, void> {
    return this._loaded;
  }

  /** What new frames change in the notebook. */
  get changed(): ISignal<this, readonly Change[]> {
    return this._changed;
  }

  /** `series`, `final` or `error` changed. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get active(): boolean {
    return this._subscription !== null;
  }
  set active(wanted: boolean) {
    if (wanted === this.active || this._isDisposed) {
      return;
    }
    if (wanted) {
      this._subscribe();
    } else {
      this._unsubscribe();
    }
  }

  /** Asks the server for the metrics so far. Raises ApiError. */
  async loadMetrics(): Promise<void> {
    const { series } = await this._api.metrics(this._id);
    if (!this._isDisposed) {
      this.series.load(series);
      this._stateChanged.emit();
    }
  }

  /** Asks for what only the MLflow run has (system metrics, say). Raises ApiError. */
  async loadRecorded(): Promise<void> {
    const { series } = await this._api.metrics(this._id, 'mlflow');
    if (!this._isDisposed) {
      this.series.fill(series);
      this._stateChanged.emit();
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._unsubscribe();
    Signal.clearData(this);
  }

  private _subscribe(): void {
    this._subscription = this._channel.subscribe<FramesSnapshot, FramePiece>(
      `job/${this._id}/frames`,
      {
        snapshot: data => this._load(data),
        delta: data => this._apply(data),
        error: error => this._fail(error),
        offset: () => this._offset
      }
    );
  }

  private _unsubscribe(): void {
    clearTimeout(this._resync);
    this._resync = undefined;
    this._subscription?.dispose();
    this._subscription = null;
  }

  private _load(snapshot: FramesSnapshot): void {
    const isFirst = this._replay === null;
    this._notebook = snapshot.notebook as unknown as nbformat.INotebookContent;
    this._replay = new Replay(this._notebook, snapshot.running_cell ?? null);
    this._beganInCell = snapshot.running_cell !== null;
    this._failedElsewhere = false;
    this._offset = snapshot.offset;
    this._final = snapshot.final;
    this._error = null;
    this._loaded.emit();
    this._stateChanged.emit();
    if (!isFirst) {
      // Metric frames may have been left out between what was seen and the snapshot.
      void this.loadMetrics().catch(() => undefined);
    }
  }

  private _apply(piece: FramePiece): void {
    const changes: Change[] = [];
    for (const frame of piece.frames as readonly Frame[]) {
      if (frame.kind === 'metric') {
        this._metric(frame);
      } else if (this._replay) {
        changes.push(...this._replay.apply(frame));
      }
    }
    this._offset = piece.next_offset;
    this._failedElsewhere ||= (piece.frames as readonly Frame[]).some(
      frame => frame.kind === 'error' && frame.rank !== 0
    );
    const ended = piece.final && !this._final;
    this._final = piece.final;
    this._error = null;
    if (changes.length > 0) {
      this._changed.emit(changes);
    }
    this._stateChanged.emit();
    if (ended && (this._beganInCell || this._failedElsewhere)) {
      // A snapshot taken inside a cell does not tell which outputs were about to be cleared, and the frames of rank 0
      // do not tell what another one raised: settle it once.
      this._resyncSoon(0);
    } else if (this._replay?.outdated) {
      this._resyncSoon(RESYNC_MS);
    }
  }

  private _metric(frame: Frame): void {
    const { name, value, step, time } = frame;
    if (typeof name !== 'string' || typeof time !== 'number') {
      return;
    }
    this.series.add(name, typeof frame.rank === 'number' ? frame.rank : 0, {
      at: time,
      step: typeof step === 'number' ? step : null,
      value: typeof value === 'number' ? value : null
    });
  }

  private _resyncSoon(delay: number): void {
    this._resync ??= setTimeout(() => {
      this._unsubscribe();
      this._offset = null;
      this._subscribe();
    }, delay);
  }

  private _fail(error: ErrorBody): void {
    this._error = error;
    this._stateChanged.emit();
  }

  private _notebook: nbformat.INotebookContent | null = null;
  private _replay: Replay | null = null;
  private _offset: number | null = null;
  private _beganInCell = false;
  private _failedElsewhere = false;
  private _final = false;
  private _error: ErrorBody | null = null;
  private _subscription: IDisposable | null = null;
  private _resync: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
  private readonly _loaded = new Signal<this, void>(this);
  private readonly _changed = new Signal<this, readonly Change[]>(this);
  private readonly _stateChanged = new Signal<this, void>(this);
}

/** What happened to the text of a log. */
export interface ILogChange {
  readonly kind: 'reset' | 'append' | 'prepend';
  readonly text: string;
  /** Where the text begins in the log, in bytes. */
  readonly offset: number;
}

/** The log of one rank while somebody looks: its end as it grows, older text on demand. */
export class LogFeed implements IDisposable {
  constructor(
    private readonly _id: string,
    readonly rank: number,
    private readonly _api: Api,
    private readonly _channel: IMlkChannel
  ) {}

  get changed(): ISignal<this, ILogChange> {
    return this._changed;
  }

  /** `first`, `final` or `error` changed. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** Where the text held by the view begins, in bytes; null before the first piece. */
  get first(): number | null {
    return this._first;
  }

  get final(): boolean {
    return this._final;
  }

  get error(): ErrorBody | null {
    return this._error;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get active(): boolean {
    return this._subscription !== null;
  }
  set active(wanted: boolean) {
    if (wanted === this.active || this._isDisposed) {
      return;
    }
    if (wanted) {
      this._subscription = this._channel.subscribe<LogPiece>(`job/${this._id}/log/${this.rank}`, {
        snapshot: data => this._reset(data),
        delta: data => this._append(data),
        error: error => {
          this._error = error;
          this._stateChanged.emit();
        },
        offset: () => this._next
      });
    } else {
      this._subscription?.dispose();
      this._subscription = null;
    }
  }

  /** The view has dropped its oldest text and begins at this byte now. */
  forget(offset: number): void {
    this._first = offset;
    this._stateChanged.emit();
  }

  /** The piece before what is held. Raises ApiError. */
  async older(): Promise<void> {
    const end = this._first;
    if (!end) {
      return;
    }
    const start = Math.max(0, end - OLDER_BYTES);
    const piece = await this._api.log(this._id, this.rank, start, end - start);
    if (this._isDisposed || this._first !== end) {
      return;
    }
    this._first = piece.offset;
    this._changed.emit({ kind: 'prepend', text: piece.text, offset: piece.offset });
    this._stateChanged.emit();
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this.active = false;
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private _reset(piece: LogPiece): void {
    const text = this._beyond(piece);
    if (text === null) {
      this._first = piece.offset;
      this._take(piece, 'reset');
    } else {
      this._take({ ...piece, text, offset: this._next ?? piece.offset }, 'append');
    }
  }

  /**
   * What a snapshot has beyond what is held; null where that cannot be told. Every newcomer to the topic makes the
   * server send one to all: what somebody reads stays, with what was found in it.
   */
  private _beyond({ text, offset, next_offset: end }: LogPiece): string | null {
    const next = this._next;
    if (next === null || offset > next || end < next) {
      return null;
    }
    if (end === next) {
      return '';
    }
    const bytes = new TextEncoder().encode(text);
    // Where the server has made it readable, a place in the text is none in the file.
    const isAsWritten = bytes.length === end - offset && !text.includes('\ufffd');
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return isAsWritten ? decoder.decode(bytes.subarray(next - offset)) : null;
  }

  private _append(piece: LogPiece): void {
    this._first ??= piece.offset;
    this._take(piece, 'append');
  }

  private _take(piece: LogPiece, kind: 'reset' | 'append'): void {
    this._next = piece.next_offset;
    this._final = piece.final;
    this._error = null;
    if (kind === 'reset' || piece.text) {
      this._changed.emit({ kind, text: piece.text, offset: piece.offset });
    }
    this._stateChanged.emit();
  }

  private _first: number | null = null;
  private _next: number | null = null;
  private _final = false;
  private _error: ErrorBody | null = null;
  private _subscription: IDisposable | null = null;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, ILogChange>(this);
  private readonly _stateChanged = new Signal<this, void>(this);
}
