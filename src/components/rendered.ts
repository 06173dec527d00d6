import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

export interface IRenderedOptions {
  /** Draws again, at most once a frame and only in view, when one of these emits. */
  signals?: readonly ISignal<unknown, unknown>[];
  /** What it holds while it is in view: a subscription, say. */
  whileVisible?: () => IDisposable;
}

/** A widget that draws what a function gives, again with each `update()`. */
export class Rendered extends ReactWidget {
  constructor(
    private readonly _draw: () => JSX.Element,
    { signals = [], whileVisible }: IRenderedOptions = {}
  ) {
    super();
    this._whileVisible = whileVisible;
    for (const signal of signals) {
      signal.connect(this.onSignal, this);
    }
  }

  override dispose(): void {
    if (!this.isDisposed) {
      Signal.disconnectReceiver(this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    return this._draw();
  }

  protected onSignal(): void {
    if (this.isVisible) {
      this.update();
    }
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._hold(this.isVisible);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._hold(true);
    this.update();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._hold(false);
    this.update(); // what is drawn may tick while it is in view
  }

  protected override onBeforeDetach(msg: Message): void {
    super.onBeforeDetach(msg);
    this._hold(false);
  }

  private _hold(isVisible: boolean): void {
    if (isVisible) {
      this._held ??= this._whileVisible?.() ?? null;
    } else {
      this._held?.dispose();
      this._held = null;
    }
  }

  private readonly _whileVisible: IRenderedOptions['whileVisible'];
  private _held: IDisposable | null = null;
}
