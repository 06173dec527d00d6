import type { Kernel } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, Shared } from '../api';
import type {
  Api,
  Explained,
  IdleSettings,
  IdleTotals,
  Kernels,
  KernelState,
  Link,
  PolicyView,
  Stopped
} from '../api';
import type { IKernels, IMlkChannel } from '../tokens';

export interface IKernelsModelOptions {
  api: Api;
  channel: IMlkChannel;
  /** The kernels that JupyterLab knows to run. */
  running: Pick<Kernel.IManager, 'running' | 'runningChanged'>;
  trans: TranslationBundle;
}

/** Where they are below our part of the server. */
const ROOT = 'idle';

/** The kernels and what becomes of them; one for the whole window. */
export class KernelsModel implements IKernels, IDisposable {
  constructor(options: IKernelsModelOptions) {
    this._api = options.api;
    this._channel = options.channel;
    this._running = options.running;
    this._trans = options.trans;
    this._channel.linkChanged.connect(this._onLink, this);
    this._topic = new Shared(() =>
      this._channel.subscribe<Kernels>('kernels', {
        snapshot: kernels => this._take(kernels),
        delta: kernels => this._take(kernels),
        error: error => this._fail(new ApiError(error, 0))
      })
    );
    this._running.runningChanged.connect(this._hold, this);
    this._hold();
  }

  get kernels(): readonly KernelState[] {
    return this._kernels;
  }

  get stopped(): readonly Stopped[] {
    return this._last?.stopped ?? [];
  }

  get totals(): IdleTotals | null {
    return this._last?.totals ?? null;
  }

  get policy(): PolicyView | null {
    return this._last?.policy ?? null;
  }

  get currency(): string {
    return this._last?.currency ?? '';
  }

  get settings(): IdleSettings | null {
    return this._last?.settings ?? null;
  }

  get serverEnd(): IKernels['serverEnd'] {
    const { server_stops_at: at = null, server_words: words = '' } = this._last ?? {};
    return at === null ? null : { at, words };
  }

  get serverEnded(): string | null {
    return this._last?.server_ended ?? null;
  }

  get isReady(): boolean {
    return this._last !== null;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get warned(): ISignal<this, KernelState> {
    return this._warned;
  }

  get ended(): ISignal<this, Stopped> {
    return this._ended;
  }

  get isDisposed(): boolean {
    return this._topic.isDisposed;
  }

  now(): number {
    return Date.now() / 1000 + this._ahead;
  }

  get(id: string): KernelState | undefined {
    return this._kernels.find(kernel => kernel.id === id);
  }

  keep(id: string, seconds: number, reason = ''): Promise<void> {
    return this._do([id, 'lease'], 'POST', { seconds, reason });
  }

  release(id: string): Promise<void> {
    return this._do([id, 'lease'], 'DELETE');
  }

  stop(id: string): Promise<void> {
    return this._do([id, 'stop'], 'POST', {});
  }

  async explain(id: string): Promise<Explained> {
    try {
      return await this._api.request<Explained>([ROOT, 'explain', id]);
    } catch (error) {
      throw ApiError.from(error, this._trans);
    }
  }

  async dismiss(id: string): Promise<void> {
    try {
      await this._do(['stopped', id], 'DELETE');
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'notice_not_found')) {
        throw error;
      }
      await this._ask(); // it is gone already, as was wanted
    }
  }

  dismissServerEnded(): Promise<void> {
    return this._do(['server-ended'], 'DELETE');
  }

  async present(kernels: readonly string[], kind: 'pointer' | 'key'): Promise<void> {
    // It is a sign of life for these kernels, not for the whole server.
    const options = { method: 'POST', body: { kernels, kind }, activity: false } as const;
    await this._api.request([ROOT, 'presence'], options);
  }

  follow(): IDisposable {
    return this._topic.hold();
  }

  /** Reads them, unless they are known. */
  async load(): Promise<void> {
    if (!this.isReady && !this._topic.isRunning) {
      await this._ask(() => !this._topic.isRunning); // what is told meanwhile is newer
    }
  }

  async refresh(): Promise<void> {
    this._channel.retry();
    await this._ask();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._running.runningChanged.disconnect(this._hold, this);
      this._channel.linkChanged.disconnect(this._onLink, this);
      this._topic.dispose();
      Signal.clearData(this);
    }
  }

  private async _ask(isWanted = (): boolean => true): Promise<void> {
    try {
      const kernels = await this._api.request<Kernels>([ROOT]);
      if (isWanted()) {
        this._take(kernels);
      }
    } catch (error) {
      this._fail(ApiError.from(error, this._trans));
    }
  }

  /** Does something, and shows what came of it without waiting for the socket. Raises: ApiError. */
  private async _do(path: string[], method: 'POST' | 'DELETE', body?: unknown): Promise<void> {
    try {
      await this._api.request([ROOT, ...path], { method, body });
    } catch (error) {
      throw ApiError.from(error, this._trans);
    }
    await this._ask();
  }

  private _take(kernels: Kernels): void {
    if (this.isDisposed) {
      return;
    }
    const before = this._last;
    this._ahead = kernels.now - Date.now() / 1000;
    const known = new Map(this._kernels.map(kernel => [kernel.id, kernel]));
    const next = kernels.kernels.map(kernel => kept(known.get(kernel.id), kernel));
    const isSame =
      next.length === this._kernels.length && next.every((each, at) => each === this._kernels[at]);
    this._kernels = isSame ? this._kernels : next;
    this._last = kernels;
    this._error = null;
    this._hold();
    this._changed.emit();
    for (const kernel of next) {
      if (kernel.state === 'warned' && known.get(kernel.id)?.state !== 'warned') {
        this._warned.emit(kernel);
      }
    }
    if (before) {
      const told = new Set(before.stopped.map(({ id }) => id));
      kernels.stopped.filter(({ id }) => !told.has(id)).forEach(each => this._ended.emit(each));
    }
  }

  /** Followed while something runs that may be stopped: a warning may come at any time. */
  private _hold(): void {
    const runs = !this._running.running().next().done;
    if ((runs || mayServerEnd(this.policy)) && this.policy?.mode !== 'off') {
      this._held ??= this._topic.hold();
    } else {
      this._held?.dispose();
      this._held = null;
    }
  }

  private _fail(error: ApiError): void {
    if (!this.isDisposed) {
      this._error = error;
      this._changed.emit();
    }
  }

  private _onLink(_: IMlkChannel, link: Link): void {
    if (link === 'missing' || link === 'not-allowed') {
      // The socket cannot say why it was refused; the same question over HTTP says it in words.
      void this._ask();
    }
  }

  private readonly _api: Api;
  private readonly _channel: IMlkChannel;
  private readonly _running: IKernelsModelOptions['running'];
  private readonly _trans: TranslationBundle;
  private readonly _topic: Shared;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _warned = new Signal<this, KernelState>(this);
  private readonly _ended = new Signal<this, Stopped>(this);
  private _held: IDisposable | null = null;
  private _last: Kernels | null = null;
  private _kernels: readonly KernelState[] = [];
  private _error: ApiError | null = null;
  /** Seconds that the clock of the server is ahead of ours. */
  private _ahead = 0;
}

/** Whether the whole server ends when nobody uses it, or would. */
export function mayServerEnd(policy: PolicyView | null): boolean {
  return Number(policy?.values.MLK_IDLE_SERVER_TTL ?? 0) > 0;
}

/** What is known of a kernel already where nothing of it changed, so that nobody draws it again. */
function kept(before: KernelState | undefined, now: KernelState): KernelState {
  return before && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
