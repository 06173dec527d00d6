import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, Shared } from '../api';
import type { Api, BackendInfo, Backends, Orphan } from '../api';
import type { IBackends, IMlkChannel } from '../tokens';

export interface IBackendsModelOptions {
  api: Api;
  channel: IMlkChannel;
  trans: TranslationBundle;
}

/** The places where jobs run; one for the whole window. */
export class BackendsModel implements IBackends, IDisposable {
  constructor(options: IBackendsModelOptions) {
    this._api = options.api;
    this._trans = options.trans;
    this._topic = new Shared(() =>
      options.channel.subscribe<Backends>('backends', {
        snapshot: ({ backends }) => this._take(backends),
        delta: ({ backends }) => this._take(backends),
        // What the socket cannot tell, the request may; and it says why, if it cannot either.
        error: () => void this.refresh()
      })
    );
  }

  get all(): readonly BackendInfo[] {
    return this._all;
  }

  get chosen(): BackendInfo | undefined {
    return this._all.at(0);
  }

  get orphans(): readonly Orphan[] | null {
    return this._orphans;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._topic.isDisposed;
  }

  get(name: string): BackendInfo | undefined {
    return this._all.find(backend => backend.name === name);
  }

  async load(): Promise<readonly BackendInfo[]> {
    if (this._all.length === 0) {
      await this._ask();
    }
    return this._all;
  }

  follow(): IDisposable {
    return this._topic.hold();
  }

  /** Asks again; what is known stays when nobody answers: the state of the socket tells of that. */
  async refresh(): Promise<void> {
    try {
      await this._ask();
    } catch {
      return;
    }
    if (this._orphans !== null) {
      await this.lookForOrphans(true);
    }
  }

  async lookForOrphans(again = false): Promise<void> {
    if (!again && (this._hasLooked || !this._all.some(isWatchedCluster))) {
      return;
    }
    this._hasLooked = true;
    try {
      this._orphans = (await this._api.orphans()).orphans;
    } catch {
      this._orphans = null; // not known; nobody asked for it, so nobody is bothered
    }
    this._emit();
  }

  async removeOrphans(): Promise<number> {
    try {
      const { orphans } = await this._api.removeOrphans();
      this._orphans = [];
      this._emit();
      return orphans.length;
    } catch (error) {
      throw ApiError.from(error, this._trans);
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._topic.dispose();
      Signal.clearData(this);
    }
  }

  private async _ask(): Promise<void> {
    const { backend, backends } = await this._api.info();
    this._take(backends.length > 0 ? backends : [backend]);
  }

  private _take(backends: readonly BackendInfo[]): void {
    this._all = backends;
    // Where jobs go by default changes when a cluster comes back.
    if (backends.some(({ watch }) => watch === 'reconnecting')) {
      this._awaited ??= this._topic.hold();
    } else {
      this._awaited?.dispose();
      this._awaited = null;
    }
    this._emit();
  }

  private _emit(): void {
    if (!this.isDisposed) {
      this._changed.emit();
    }
  }

  private readonly _api: Api;
  private readonly _trans: TranslationBundle;
  private readonly _topic: Shared;
  private _awaited: IDisposable | null = null;
  private readonly _changed = new Signal<this, void>(this);
  private _all: readonly BackendInfo[] = [];
  private _orphans: readonly Orphan[] | null = null;
  private _hasLooked = false;
}

function isWatchedCluster({ kind, watch }: BackendInfo): boolean {
  return kind === 'kubernetes' && watch === 'live';
}
