import type { TranslationBundle } from '@jupyterlab/translation';

import type { KernelState, Stopped } from '../api';
import { Rendered } from '../components';
import type { IKernels } from '../tokens';
import type { IKernelActions } from './row';
import { KernelsView } from './view';
import { endingText, isEnding, nameOf } from './words';

export interface IKernelsSectionOptions {
  kernels: IKernels;
  actions: IKernelActions;
  trans: TranslationBundle;
}

/** The kernels in the side panel. */
export class KernelsSection extends Rendered {
  constructor(private readonly _options: IKernelsSectionOptions) {
    const { kernels } = _options;
    super(() => this._view(), { signals: [kernels.changed] });
    this.addClass('mlk-KernelsSection');
    kernels.warned.connect(this._onWarned, this);
    kernels.ended.connect(this._onEnded, this);
  }

  /** Brings a kernel into view and gives it the focus. */
  async reveal(id: string): Promise<void> {
    this.update();
    await this.renderPromise;
    const row = [...this.node.querySelectorAll<HTMLElement>('.mlk-KernelRow')].find(
      each => each.dataset.kernel === id
    );
    row?.querySelector('button')?.focus();
  }

  private _view(): JSX.Element {
    const { kernels, actions, trans } = this._options;
    return (
      <KernelsView
        kernels={kernels.kernels}
        stopped={kernels.stopped}
        totals={kernels.totals}
        policy={kernels.policy}
        currency={kernels.currency}
        serverEnd={kernels.serverEnd}
        error={kernels.error}
        clock={() => kernels.now()}
        announcement={this._announcement}
        actions={actions}
        onRetry={() => void kernels.refresh()}
        trans={trans}
      />
    );
  }

  private _onWarned(_: IKernels, kernel: KernelState): void {
    const { kernels, trans } = this._options;
    if (isEnding(kernel)) {
      this._say(endingText([kernel], kernels.now(), trans));
    }
  }

  private _onEnded(_: IKernels, stopped: Stopped): void {
    this._say(this._options.trans.__('%1 was stopped: %2', nameOf(stopped), stopped.words));
  }

  private _say(text: string): void {
    this._announcement = text;
    this.onSignal();
  }

  private _announcement = '';
}
