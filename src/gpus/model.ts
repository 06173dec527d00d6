import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, Shared } from '../api';
import type { Api, GpuPlace, Gpus, Link } from '../api';
import type { IGpus, IMlkChannel } from '../tokens';

export interface IGpusModelOptions {
  api: Api;
  channel: IMlkChannel;
  trans: TranslationBundle;
}

/** For so long an advice can be put back before the server hears that it was taken away. */
const UNDO_MS = 10_000;
/** And stays away. */
const DISMISS_DAYS = 30;

/** The accelerators of every place; one for the whole window. */
export class GpusModel implements IGpus, IDisposable {
  constructor({ api, channel, trans }: IGpusModelOptions) {
    this._api = api;
    this._channel = channel;
    this._trans = trans;
    channel.linkChanged.connect(this._onLink, this);
    this._topic = new Shared(() =>
      channel.subscribe<Gpus>('gpus', {
        snapshot: gpus => this._take(gpus),
        delta: gpus => this._take(gpus),
        error: error => this._fail(new ApiError(error, 0))
      })
    );
  }

  get gpus(): Gpus | null {
    return this._gpus;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get dismissed(): ReadonlySet<string> {
    return new Set(this._dismissed.keys());
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._topic.isDisposed;
  }

  now(): number {
    return Date.now() / 1000 + this._ahead;
  }

  dismiss(id: string): void {
    if (!this._dismissed.has(id)) {
      const timer = setTimeout(() => void this._sendDismissal(id), UNDO_MS);
      this._dismissed.set(id, timer);
      this._changed.emit();
    }
  }

  restore(id: string): void {
    clearTimeout(this._dismissed.get(id));
    this._dismissed.delete(id);
    this._changed.emit();
  }

  follow(): IDisposable {
    return this._topic.hold();
  }

  async refresh(): Promise<void> {
    this._channel.retry();
    try {
      this._take(await this._api.request<Gpus>(['gpus']));
    } catch (error) {
      this._fail(ApiError.from(error, this._trans));
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._dismissed.forEach(clearTimeout);
      this._channel.linkChanged.disconnect(this._onLink, this);
      this._topic.dispose();
      Signal.clearData(this);
    }
  }

  private async _sendDismissal(id: string): Promise<void> {
    try {
      const body = { days: DISMISS_DAYS };
      await this._api.request(['gpus', 'advice', id, 'dismiss'], { method: 'POST', body });
      if (this._gpus) {
        const advice = this._gpus.advice.filter(each => each.id !== id);
        this._gpus = { ...this._gpus, advice };
      }
    } catch (reason) {
      const { detail, hint } = ApiError.from(reason, this._trans);
      const failure = this._trans.__('The advice could not be taken away.');
      Notification.error(`${failure} ${detail} ${hint}`, { autoClose: false });
    }
    if (!this.isDisposed) {
      this.restore(id); // gone from the list by now, or to be seen again
    }
  }

  private _take(gpus: Gpus): void {
    if (this.isDisposed) {
      return;
    }
    const before = new Map(this._gpus?.places.map(place => [place.backend, place]));
    const places = gpus.places.map(place => kept(before.get(place.backend), place));
    this._gpus = { ...gpus, places };
    this._ahead = gpus.now - Date.now() / 1000;
    this._error = null;
    this._changed.emit();
  }

  private _fail(error: ApiError): void {
    if (!this.isDisposed) {
      this._error = error;
      this._changed.emit();
    }
  }

  private _onLink(_: IMlkChannel, link: Link): void {
    if ((link === 'missing' || link === 'not-allowed') && this._topic.isRunning) {
      // The socket cannot say why it was refused; the same question over HTTP says it in words.
      void this._api.request<Gpus>(['gpus']).then(
        gpus => this._take(gpus),
        error => this._fail(ApiError.from(error, this._trans))
      );
    }
  }

  private readonly _api: Api;
  private readonly _channel: IMlkChannel;
  private readonly _trans: TranslationBundle;
  private readonly _topic: Shared;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _dismissed = new Map<string, ReturnType<typeof setTimeout>>();
  private _gpus: Gpus | null = null;
  private _error: ApiError | null = null;
  /** Seconds that the clock of the server is ahead of ours. */
  private _ahead = 0;
}

/** The place with those of its nodes as they are known of which nothing changed, so that nobody draws them again. */
function kept(before: GpuPlace | undefined, now: GpuPlace): GpuPlace {
  const known = new Map(before?.nodes.map(node => [node.name, node]));
  const nodes = now.nodes.map(node => {
    const old = known.get(node.name);
    return old && JSON.stringify(old) === JSON.stringify(node) ? old : node;
  });
  return { ...now, nodes };
}
