import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { IJobs } from '../tokens';

/** How many jobs run, as a button. */
export class StatusItem extends ReactWidget {
  constructor(
    private readonly _jobs: IJobs,
    private readonly _onClick: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('mlk-StatusItem');
    _jobs.changed.connect(this._onChanged, this);
  }

  /** Emits when the figures change, and with them whether there is anything to show. */
  get activeStateChanged(): ISignal<this, void> {
    return this._activeStateChanged;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._jobs.changed.disconnect(this._onChanged, this);
      Signal.clearData(this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    return (
      <button
        type="button"
        className="jp-StatusBar-TextItem"
        title={this._trans.__('Show the jobs')}
        onClick={this._onClick}
      >
        {this._text}
      </button>
    );
  }

  private _onChanged(): void {
    const { _trans: trans } = this;
    const { active } = this._jobs;
    const jobs = trans._n('%1 job', '%1 jobs', active.jobs);
    const text = active.gpus > 0 ? `${jobs}, ${trans._n('%1 GPU', '%1 GPUs', active.gpus)}` : jobs;
    if (text !== this._text) {
      this._text = text;
      this.update();
      this._activeStateChanged.emit();
    }
  }

  private readonly _activeStateChanged = new Signal<this, void>(this);
  private _text = '';
}
