import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { Rendered } from '../components';
import type { IGpus } from '../tokens';
import type { IGpuActions } from './mine';
import { GpusView } from './view';
import { summaryText } from './words';

export interface IGpusSectionOptions {
  gpus: IGpus;
  actions: IGpuActions;
  trans: TranslationBundle;
}

/** The GPUs in the side panel. */
export class GpusSection extends Rendered {
  constructor({ gpus, actions, trans }: IGpusSectionOptions) {
    super(
      () => (
        <GpusView
          gpus={gpus.gpus}
          dismissed={gpus.dismissed}
          error={gpus.error}
          clock={() => gpus.now()}
          actions={actions}
          onRetry={() => void gpus.refresh()}
          trans={trans}
        />
      ),
      // Not while it is folded: a cluster lists all its pods for it.
      { signals: [gpus.changed], whileVisible: () => gpus.follow() }
    );
    this.addClass('mlk-GpusSection');
    this._gpus = gpus;
    this._trans = trans;
    gpus.changed.connect(this._onChanged, this);
  }

  /** A few words beside the title; none while it is folded, for then they would be old. */
  get summary(): string {
    return this.isVisible ? summaryText(this._gpus.gpus, this._trans) : '';
  }

  get summaryChanged(): ISignal<this, void> {
    return this._summaryChanged;
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._onChanged();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._onChanged();
  }

  private _onChanged(): void {
    this._summaryChanged.emit();
  }

  private readonly _gpus: IGpus;
  private readonly _trans: TranslationBundle;
  private readonly _summaryChanged = new Signal<this, void>(this);
}
