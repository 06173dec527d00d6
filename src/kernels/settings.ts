import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Api, AppliedSettings, IdleSettings } from '../api';
import { told } from '../components';

/** A person's own limits for idle kernels: the server holds them, also while no window is open. */
export class LimitSettings {
  constructor(
    private readonly _api: Api,
    private readonly _trans: TranslationBundle
  ) {}

  /**
   * Tells the server what is set, if that changed.
   *
   * The first time it says so only where something is set: a server that nobody asked for idle kernels is not asked.
   */
  async take(settings: ReadonlyPartialJSONObject): Promise<void> {
    const text = (key: string): string => {
      const value = settings[key];
      return typeof value === 'string' ? value.trim() : '';
    };
    const wanted: IdleSettings = {
      ttl: text('idleTtl'),
      gpu_ttl: text('idleGpuTtl'),
      warn: text('idleWarn')
    };
    const known = JSON.stringify(wanted);
    const isFirst = this._known === null;
    if (known === this._known || (isFirst && !wanted.ttl && !wanted.gpu_ttl && !wanted.warn)) {
      this._known = known;
      return;
    }
    this._known = known;
    const trans = this._trans;
    await told(trans.__('Your limits for idle kernels could not be set'), trans, async () => {
      const { notes } = await this._api.request<AppliedSettings>(['idle', 'settings'], {
        method: 'PUT',
        body: wanted,
        activity: false
      });
      if (!isFirst && notes.length > 0) {
        Notification.info(notes.join(' '), { autoClose: false });
      }
    });
  }

  private _known: string | null = null;
}
