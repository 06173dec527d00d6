import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, NOT_RUNNING } from './errors';
import { ROOT } from './requests';
import type { Api } from './requests';
import type { ErrorBody, Message, Topic } from './schemas';

/** How the socket is. `missing`: the server runs without our extension. */
export type Link =
  'connecting' | 'live' | 'reconnecting' | 'server-gone' | 'not-allowed' | 'missing';

/** What one listener of a topic gets. */
export interface IListener<S = unknown, D = S> {
  /** Everything so far: replaces what the listener holds. */
  snapshot(data: S): void;
  delta(data: D): void;
  error?(error: ErrorBody): void;
  /** Where to go on after a lost connection (logs and frames); null asks for a snapshot. */
  offset?(): number | null;
}

interface ISubscription {
  readonly listeners: Set<IListener<never>>;
  /** Sequence number that the next message must bear. */
  next: number;
  /** The server ended it with an error; only a retry asks again. */
  isBroken: boolean;
}

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A window that nobody sees for so long is told nothing until somebody does. */
const REST_MS = 60_000;
/** The server pings every 15 s: silence of three pings means a half-open connection. */
const SILENCE_MS = 45_000;
/** Timers may fire a little before the clock says so. */
const TIMER_SLACK_MS = 100;

/**
 * One websocket for a window, many topics. Reconnects by itself, subscribes again, and says how it is.
 *
 * Opens with the first subscription, closes with the last, and rests while nobody sees the window. All attempts keep
 * the same distance, which grows until the server has said something, or a person asks: by a button, or by coming back
 * to the window. A server that refuses the login is left alone until a person asks.
 */
export class Channel implements IDisposable {
  constructor(
    private readonly _api: Api,
    private readonly _random: () => number = Math.random
  ) {
    this._settings = _api.settings;
    document.addEventListener('visibilitychange', this._onVisibility);
    this._onVisibility();
    window.addEventListener('online', this._check);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get link(): Link {
    return this._link;
  }

  /** Emits the new state of the link. */
  get linkChanged(): ISignal<this, Link> {
    return this._linkChanged;
  }

  /**
   * Listens to a topic until the returned disposable is disposed. A topic with several listeners is
   * subscribed once; a newcomer makes the server send everybody a new snapshot.
   */
  subscribe<S, D = S>(topic: string, listener: IListener<S, D>): IDisposable {
    const known = this._subscriptions.get(topic);
    const subscription = known ?? { listeners: new Set(), next: 0, isBroken: false };
    subscription.listeners.add(listener as IListener<never>);
    this._subscriptions.set(topic, subscription);
    this._openWhenDue();
    this._ask(topic, known ? null : (listener.offset?.() ?? null));
    return new DisposableDelegate(() => this._forget(topic, listener as IListener<never>));
  }

  /** A person wants it: tries at once and begins anew; asks again for topics that ended with an error. */
  retry(): void {
    this._attempts = 0;
    this._dueAt = 0;
    this._isRefused = false;
    this._openWhenDue();
    for (const [topic, { isBroken }] of this._subscriptions) {
      if (isBroken) {
        this._ask(topic, this._offset(topic));
      }
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this._onVisibility);
    clearTimeout(this._restTimer);
    window.removeEventListener('online', this._check);
    this._subscriptions.clear();
    this._close();
    Signal.clearData(this);
  }

  /** The one way to a new connection. */
  private _openWhenDue(): void {
    clearTimeout(this._retryTimer);
    if (
      this._socket ||
      this._isRefused ||
      this._isResting ||
      this._isDisposed ||
      this._subscriptions.size === 0
    ) {
      return;
    }
    const wait = this._dueAt - Date.now();
    if (wait > 0) {
      this._retryTimer = setTimeout(() => this._openWhenDue(), wait);
    } else {
      this._open();
    }
  }

  private _open(): void {
    const socket = new this._settings.WebSocket(this._url());
    this._socket = socket;
    this._watchSilence();
    socket.onopen = () => {
      this._setLink('live');
      for (const topic of this._subscriptions.keys()) {
        this._ask(topic, this._offset(topic));
      }
    };
    socket.onmessage = event => this._receive(event);
    socket.onclose = () => this._lost(socket);
  }

  /** Same rules as for kernels: the token goes into the address only where a cookie cannot do. */
  private _url(): string {
    const { wsUrl, token, appendToken } = this._settings;
    const url = URLExt.join(wsUrl, ROOT, 'channel');
    return appendToken && token ? url + URLExt.objectToQueryString({ token }) : url;
  }

  private _close(): void {
    clearTimeout(this._retryTimer);
    clearTimeout(this._silenceTimer);
    const socket = this._socket;
    this._socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private _lost(socket: WebSocket): void {
    if (socket !== this._socket) {
      return;
    }
    this._close();
    if (this._link === 'live') {
      this._setLink('reconnecting');
    }
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this._attempts);
    this._attempts += 1;
    // Half fixed, half by chance: the windows of a restarted server do not come back all at once.
    this._dueAt = Date.now() + delay * (0.5 + this._random() / 2);
    this._openWhenDue();
    if (this._attempts > 1) {
      void this._explain();
    }
  }

  /** A browser does not say why a websocket was refused; the same server over HTTP does. */
  private async _explain(): Promise<void> {
    let link: Link = 'reconnecting';
    try {
      await this._api.info();
    } catch (error) {
      link = reasonOf(error);
    }
    if (this._link === 'live' || this._isDisposed) {
      return;
    }
    if (link === 'not-allowed') {
      this._isRefused = true;
      this._close();
    }
    this._setLink(link);
  }

  private _receive(event: MessageEvent): void {
    this._watchSilence();
    this._attempts = 0;
    const message = JSON.parse(event.data as string) as Message;
    if (message.kind === 'ping') {
      this._send({ op: 'pong', topic: '' });
      return;
    }
    const subscription = this._subscriptions.get(message.topic);
    if (!subscription) {
      return;
    }
    if (message.kind === 'error') {
      subscription.isBroken = true;
    } else if (message.seq !== 0 && message.seq !== subscription.next) {
      // What was sent before the server saw our new subscription is dropped: it starts at 0.
      if (subscription.next !== 0) {
        subscription.next = 0;
        this._ask(message.topic, this._offset(message.topic));
      }
      return;
    }
    subscription.next = message.seq + 1;
    for (const listener of [...subscription.listeners]) {
      deliver(listener, message);
    }
  }

  private _ask(topic: string, offset: number | null): void {
    const subscription = this._subscriptions.get(topic);
    if (subscription) {
      subscription.next = 0;
      subscription.isBroken = false;
      this._send({ op: 'subscribe', topic, ...(offset === null ? {} : { offset }) });
    }
  }

  /** One listener goes on where it was; several may be at different places and start over. */
  private _offset(topic: string): number | null {
    const listeners = [...(this._subscriptions.get(topic)?.listeners ?? [])];
    return listeners.length === 1 ? (listeners[0].offset?.() ?? null) : null;
  }

  private _forget(topic: string, listener: IListener<never>): void {
    const subscription = this._subscriptions.get(topic);
    if (!subscription?.listeners.delete(listener) || subscription.listeners.size > 0) {
      return;
    }
    this._subscriptions.delete(topic);
    this._send({ op: 'unsubscribe', topic });
    if (this._subscriptions.size === 0) {
      this._close();
      this._setLink('connecting');
    }
  }

  private _send(topic: Topic): void {
    const socket = this._socket;
    if (socket?.readyState === this._settings.WebSocket.OPEN) {
      socket.send(JSON.stringify(topic));
    }
  }

  private _watchSilence(): void {
    this._heardAt = Date.now();
    clearTimeout(this._silenceTimer);
    this._silenceTimer = setTimeout(this._check, SILENCE_MS + TIMER_SLACK_MS);
  }

  private readonly _onVisibility = (): void => {
    clearTimeout(this._restTimer);
    if (document.visibilityState === 'hidden') {
      this._restTimer = setTimeout(() => {
        this._isResting = true;
        this._close();
        this._setLink('connecting');
      }, REST_MS);
    } else {
      this._isResting = false;
      if (!this._socket) {
        this.retry();
      }
      this._check();
    }
  };

  /** A laptop that woke up: its timers slept, its connection may be half open. */
  private readonly _check = (): void => {
    if (document.visibilityState === 'hidden' || this._subscriptions.size === 0) {
      return;
    }
    if (!this._socket) {
      this._dueAt = 0;
      this._openWhenDue();
    } else if (Date.now() - this._heardAt >= SILENCE_MS) {
      this._close();
      this._setLink('reconnecting');
      this._openWhenDue();
    }
  };

  private _setLink(link: Link): void {
    if (link !== this._link) {
      this._link = link;
      this._linkChanged.emit(link);
    }
  }

  private readonly _settings: ServerConnection.ISettings;
  private readonly _subscriptions = new Map<string, ISubscription>();
  private readonly _linkChanged = new Signal<this, Link>(this);
  private _socket: WebSocket | null = null;
  private _link: Link = 'connecting';
  private _attempts = 0;
  /** When the next attempt may be made, in milliseconds since the epoch. */
  private _dueAt = 0;
  private _isRefused = false;
  private _heardAt = 0;
  private _retryTimer: ReturnType<typeof setTimeout> | undefined;
  private _silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private _restTimer: ReturnType<typeof setTimeout> | undefined;
  private _isResting = false;
  private _isDisposed = false;
}

/** A listener's bug must not keep the others from their message. */
function deliver(listener: IListener<never>, message: Message): void {
  try {
    if (message.kind === 'error') {
      listener.error?.(message.data as ErrorBody);
    } else if (message.kind === 'snapshot') {
      listener.snapshot(message.data as never);
    } else {
      listener.delta(message.data as never);
    }
  } catch (error) {
    console.error(`Listener of ${message.topic} failed`, error);
  }
}

function reasonOf(error: unknown): Link {
  if (!(error instanceof ApiError)) {
    return 'server-gone';
  }
  const { code, status } = error;
  if (code === 'extension_missing') {
    return 'missing';
  }
  if (status === 401 || status === 403) {
    return 'not-allowed';
  }
  if (code === 'login_unavailable') {
    return 'reconnecting'; // the server is there; whoever knows the logins is away
  }
  return status === 0 || status >= 502 || status === NOT_RUNNING ? 'server-gone' : 'reconnecting';
}
