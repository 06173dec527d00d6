import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { useNow } from '../components';
import type { IKernels } from '../tokens';
import { endingText, isEnding, serverText } from './words';

/** Fast enough to count the last minutes in seconds; nothing is shown, and nothing ticks, before. */
const TICK_MS = 1000;

/** "train.ipynb stops in 4 min", or "This server stops in 4 min", as a button; nothing while neither is about to be. */
export class EndingItem extends ReactWidget {
  constructor(
    private readonly _kernels: IKernels,
    private readonly _onClick: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('mlk-StatusItem');
    _kernels.changed.connect(this._onChanged, this);
  }

  /** Whether one, or the whole server, is about to be stopped. */
  get isActive(): boolean {
    return this._isActive;
  }

  get activeStateChanged(): ISignal<this, void> {
    return this._activeStateChanged;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._kernels.changed.disconnect(this._onChanged, this);
      Signal.clearData(this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    return this._isActive ? (
      <Ending kernels={this._kernels} onClick={this._onClick} trans={this._trans} />
    ) : (
      <></>
    );
  }

  private _onChanged(): void {
    const isActive = this._kernels.serverEnd !== null || this._kernels.kernels.some(isEnding);
    if (isActive !== this._isActive) {
      this._isActive = isActive;
      this.update();
      this._activeStateChanged.emit();
    }
  }

  private readonly _activeStateChanged = new Signal<this, void>(this);
  private _isActive = false;
}

interface IEndingProps {
  kernels: IKernels;
  onClick: () => void;
  trans: TranslationBundle;
}

const Ending = ({ kernels, onClick, trans }: IEndingProps): JSX.Element => {
  useNow(TICK_MS);
  return (
    <UseSignal signal={kernels.changed}>
      {() => {
        const { serverEnd } = kernels;
        const now = kernels.now();
        return (
          <button
            type="button"
            className="jp-StatusBar-TextItem"
            title={trans.__('Show the kernels')}
            onClick={onClick}
          >
            {serverEnd
              ? serverText({ at: serverEnd.at, words: '' }, now, trans)
              : endingText(kernels.kernels, now, trans)}
          </button>
        );
      }}
    </UseSignal>
  );
};
