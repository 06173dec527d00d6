import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { Api } from '../api';
import { SeriesStore } from '../charts';
import type { IMetric } from '../charts';
import type { IJobs, IJobsChange } from '../tokens';

/** Metrics of a job that goes on are asked for at most this often. */
const AGAIN_MS = 3000;

/** A job laid over another one's charts. */
interface ICompared {
  readonly id: string;
  readonly colour: number;
  metrics: readonly IMetric[];
  /** When its metrics were asked for last, in milliseconds. */
  askedAt: number;
  /** Whether it has changed since. */
  isOld: boolean;
  /** Why its metrics could not be read the last time, if so. */
  error: ApiError | null;
}

/** The metrics of other jobs, beside those of a tab's own; kept up to date while active. */
export class Comparison implements IDisposable {
  constructor(
    private readonly _api: Pick<Api, 'metrics'>,
    private readonly _jobs: Pick<IJobs, 'changed'>,
    private readonly _trans: TranslationBundle
  ) {
    _jobs.changed.connect(this._onJobs, this);
  }

  /** In the order in which they were added. A colour stays with its job. */
  get all(): readonly Readonly<ICompared>[] {
    return this._all;
  }

  /** Why the metrics of one could not be read, if so. */
  get error(): ApiError | null {
    return this._all.find(({ error }) => error !== null)?.error ?? null;
  }

  /** Whether somebody looks: what has changed meanwhile is asked for then. */
  get active(): boolean {
    return this._active;
  }
  set active(wanted: boolean) {
    this._active = wanted;
    if (wanted) {
      this._loadAll(({ isOld }) => isOld);
    }
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  add(id: string): void {
    if (this._all.some(each => each.id === id)) {
      return;
    }
    const taken = new Set(this._all.map(({ colour }) => colour));
    let colour = 1; // 0 is the job of the tab
    while (taken.has(colour)) {
      colour += 1;
    }
    const added = { id, colour, metrics: [], askedAt: 0, isOld: true, error: null };
    this._all = [...this._all, added];
    this._changed.emit();
    void this._load(added);
  }

  remove(id: string): void {
    this._all = this._all.filter(each => each.id !== id);
    this._changed.emit();
  }

  /** Asks again for the metrics that could not be read. */
  retry(): void {
    this._loadAll(({ error }) => error !== null);
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._jobs.changed.disconnect(this._onJobs, this);
      Signal.clearData(this);
    }
  }

  private _onJobs(_: unknown, { changed, removed, ended }: IJobsChange): void {
    for (const id of removed) {
      if (this._all.some(each => each.id === id)) {
        this.remove(id);
      }
    }
    const over = new Set(ended.map(({ id }) => id));
    for (const { id } of changed) {
      const known = this._all.find(each => each.id === id);
      if (known) {
        known.isOld = true;
        if (this._active && (over.has(id) || Date.now() - known.askedAt > AGAIN_MS)) {
          void this._load(known);
        }
      }
    }
  }

  private _loadAll(isMeant: (one: ICompared) => boolean): void {
    for (const one of this._all.filter(isMeant)) {
      void this._load(one);
    }
  }

  private async _load(one: ICompared): Promise<void> {
    one.askedAt = Date.now();
    one.isOld = false;
    try {
      const { series } = await this._api.metrics(one.id);
      const store = new SeriesStore();
      store.load(series);
      one.metrics = store.all;
      one.error = null;
    } catch (error) {
      one.error = ApiError.from(error, this._trans);
      one.isOld = true;
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  private _all: readonly ICompared[] = [];
  private _active = false;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, void>(this);
}
