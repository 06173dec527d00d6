import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { IDisposable } from '@lumino/disposable';

import type { KernelState, Stopped } from '../api';
import { CommandIDs } from '../tokens';
import type { IKernels } from '../tokens';
import { isEnding, keepTime, left, nameOf, pathOf, stateText, timeOf } from './words';

export interface IKernelToastsOptions {
  kernels: IKernels;
  commands: CommandRegistry;
  /** Saves the document of a path, where it is open and not saved. */
  save: (path: string) => void;
  /** Whether what has become of a kernel is told elsewhere: on its notebook. */
  isToldElsewhere: (stopped: Stopped) => boolean;
  trans: TranslationBundle;
}

/**
 * A word before a kernel is stopped, with what can be done about it; one a kernel, for as long as its end is near.
 *
 * Who takes it away has read it: it comes again only with the next warning.
 */
export class KernelToasts implements IDisposable {
  constructor(private readonly _options: IKernelToastsOptions) {
    const { kernels } = _options;
    kernels.changed.connect(this._onChanged, this);
    kernels.ended.connect(this._onEnded, this);
    this._onChanged();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._options.kernels.changed.disconnect(this._onChanged, this);
    this._options.kernels.ended.disconnect(this._onEnded, this);
    this._shown.forEach(toast => Notification.dismiss(toast));
    this._shown.clear();
  }

  private _onChanged(): void {
    const { kernels, save } = this._options;
    const ending = kernels.kernels.filter(isEnding);
    const ids = new Set(ending.map(({ id }) => id));
    for (const [id, toast] of this._shown) {
      if (!ids.has(id)) {
        this._shown.delete(id);
        Notification.dismiss(toast);
      }
    }
    for (const kernel of ending) {
      if (!this._shown.has(kernel.id)) {
        const path = pathOf(kernel);
        if (path) {
          save(path); // it is lost with the page, not with the kernel: but nobody may be there to do it
        }
        this._tell(kernel);
      }
    }
    this._tellOfServer();
  }

  private _tell(kernel: KernelState): void {
    const { kernels, commands, trans } = this._options;
    const { id, stops_at: at } = kernel;
    const now = kernels.now();
    const name = nameOf(kernel);
    const does = stateText({ ...kernel, stops_at: null }, now, trans);
    const text =
      at === null
        ? trans.__('%1 is about to be stopped: %2', name, does)
        : trans.__('%1 will be stopped at %2: %3', name, timeOf(at, now), does);
    const seconds = keepTime(kernels.policy);
    this._shown.set(
      id,
      Notification.warning(text, {
        autoClose: false,
        actions: [
          {
            label: trans.__('Keep %1', left(seconds, trans)),
            caption: trans.__('Do not stop %1 for so long', name),
            callback: () =>
              this._after(commands.execute(CommandIDs.keepKernel, { id, seconds }), id),
            displayType: 'accent'
          },
          {
            label: trans.__('Stop…'),
            caption: trans.__('Stop %1 and free what it holds', name),
            callback: () => this._after(commands.execute(CommandIDs.stopKernel, { id }), id)
          },
          {
            label: trans.__('Why'),
            caption: trans.__('Show why %1 is about to be stopped', name),
            callback: () => this._after(commands.execute(CommandIDs.explainKernel, { id }), id)
          }
        ]
      })
    );
  }

  /** JupyterLab closes a toast with any of its buttons: who only looked, or could not keep it, still has to decide. */
  private _after(done: Promise<unknown>, id: string): void {
    void done.finally(() => {
      const kernel = this._options.kernels.get(id);
      const before = this._shown.get(id);
      if (!this._isDisposed && kernel && isEnding(kernel) && before !== undefined) {
        Notification.dismiss(before);
        this._tell(kernel);
      }
    });
  }

  private _onEnded(_: IKernels, stopped: Stopped): void {
    const { isToldElsewhere, trans } = this._options;
    if (stopped.kind !== 'asked' && !isToldElsewhere(stopped)) {
      const text = trans.__('%1 was stopped: %2', nameOf(stopped), stopped.words);
      Notification.warning(text, { autoClose: false });
    }
  }

  private _tellOfServer(): void {
    const { kernels, trans } = this._options;
    const { serverEnd, serverEnded } = kernels;
    if (serverEnd === null && this._serverToast !== null) {
      Notification.dismiss(this._serverToast);
      this._serverToast = null;
    } else if (serverEnd !== null && this._serverToast === null) {
      const time = timeOf(serverEnd.at, kernels.now());
      const text = trans.__(
        'This server will be stopped at %1: %2. Whatever you do in it keeps it.',
        time,
        serverEnd.words
      );
      this._serverToast = Notification.warning(text, { autoClose: false });
    }
    if (serverEnded !== null && !this._isEndedTold) {
      this._isEndedTold = true;
      Notification.info(serverEnded, {
        autoClose: false,
        actions: [{ label: trans.__('OK'), callback: () => void kernels.dismissServerEnded() }]
      });
    }
  }

  /** The toast of each kernel whose end is near. */
  private readonly _shown = new Map<string, string>();
  private _serverToast: string | null = null;
  private _isEndedTold = false;
  private _isDisposed = false;
}
