import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { ApiError, NOT_RUNNING } from '../api';
import type { Api, AppliedSettings, IdleSettings } from '../api';
import { told } from '../components';
import type { IKernels } from '../tokens';

/** Of answers, or none, of a server that is away. */
const AWAY: ReadonlySet<number> = new Set([0, NOT_RUNNING, 502, 503, 504]);

/** A person's own limits for idle kernels: the server holds them, also while no window is open. */
export class LimitSettings {
  constructor(
    private readonly _api: Api,
    private readonly _kernels: Pick<IKernels, 'settings' | 'error' | 'changed'>,
    private readonly _trans: TranslationBundle
  ) {
    _kernels.changed.connect(() => {
      if (!_kernels.error) {
        void this._tell();
      }
    });
  }

  /** Tells the server what is set, if that changed, or if something else holds there when the page is opened. */
  async take(settings: ReadonlyPartialJSONObject): Promise<void> {
    const text = (key: string): string => {
      const value = settings[key];
      return typeof value === 'string' ? value.trim() : '';
    };
    this._isChanged = this._wanted !== null;
    this._wanted = { ttl: text('idleTtl'), gpu_ttl: text('idleGpuTtl'), warn: text('idleWarn') };
    await this._tell();
  }

  /**
   * Once the server has what is set here, what holds there is not looked at again: a window that was opened before
   * another one changed the settings would set them back.
   */
  private async _tell(): Promise<void> {
    const wanted = this._wanted;
    const holds = this._known ?? this._kernels.settings;
    const isUnknown = !holds && !this._isChanged; // whoever changes one hears when that cannot be told
    if (!wanted || isUnknown || this._isTelling || isSame(wanted, this._refused)) {
      return;
    }
    if (isSame(wanted, holds)) {
      this._known = wanted;
      return;
    }
    this._isTelling = true;
    const trans = this._trans;
    await told(trans.__('Your limits for idle kernels could not be set'), trans, async () => {
      try {
        const { notes } = await this._api.request<AppliedSettings>(['idle', 'settings'], {
          method: 'PUT',
          body: wanted,
          activity: false
        });
        this._known = wanted;
        if (this._isChanged && notes.length > 0) {
          Notification.info(notes.join(' '), { autoClose: false });
        }
      } catch (error) {
        const { status } = ApiError.from(error, trans);
        this._refused = AWAY.has(status) ? null : wanted;
        throw error;
      }
    });
    this._isTelling = false;
    if (this._wanted !== wanted) {
      await this._tell();
    }
  }

  private _wanted: IdleSettings | null = null;
  private _known: IdleSettings | null = null;
  /** What the server did not take, although it was there: it would not take it the next time either. */
  private _refused: IdleSettings | null = null;
  private _isChanged = false;
  private _isTelling = false;
}

function isSame(one: IdleSettings, other: IdleSettings | null): boolean {
  return one.ttl === other?.ttl && one.gpu_ttl === other?.gpu_ttl && one.warn === other?.warn;
}
