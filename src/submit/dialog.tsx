import { Clipboard, Dialog, ReactWidget } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';

import type { JobStatus } from '../api';
import { LoopDialog } from '../components/loop';
import type { SubmitModel } from './model';
import { SubmitView } from './view';

export interface ISubmitDialogOptions {
  model: SubmitModel;
  path: string;
  translator: ITranslator;
  trans: TranslationBundle;
}

/** Shows the dialog. Gives the new job, or null when the person changed their mind. */
export async function askAndSubmit(options: ISubmitDialogOptions): Promise<JobStatus | null> {
  const dialog = new SubmitDialog(options);
  void options.model.load();
  await dialog.launch();
  return dialog.job;
}

/**
 * Core's dialog, but its button submits while the dialog stays: an answer that says no is shown where
 * the values are.
 */
class SubmitDialog extends LoopDialog {
  constructor(options: ISubmitDialogOptions) {
    const { trans, path } = options;
    super({
      title: trans.__('Run as a job: %1', PathExt.basename(path)),
      body: new Body(options),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Run') })],
      hasClose: true
    });
    this.addClass('mlk-SubmitDialog');
    this._model = options.model;
    this._model.changed.connect(this._onChanged, this);
    this._onChanged();
    // Core focuses the button that submits, which cannot be focused before there is a preflight: without
    // this, keys would go on to what is behind the dialog until the form is there.
    void this.ready.then(() => {
      if (!this.node.contains(document.activeElement)) {
        this.node.querySelector<HTMLElement>('.jp-Dialog-footer .jp-mod-reject')?.focus();
      }
    });
  }

  /** The job that was made, once there is one. */
  get job(): JobStatus | null {
    return this._job;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._onChanged, this);
      this._model.dispose();
      super.dispose();
    }
  }

  override resolve(index: number = ACCEPT): void {
    if (index === ACCEPT) {
      void this._submit();
    } else {
      super.resolve(index);
    }
  }

  /** Core enables the button after every key; only the preflight does here. */
  protected override _checkValidation(): void {
    this._onChanged();
  }

  private async _submit(): Promise<void> {
    this._job = await this._model.submit();
    if (this._job) {
      super.resolve(ACCEPT);
    }
  }

  private _onChanged(): void {
    const accept = this._accept;
    if (accept) {
      accept.disabled = !this._model.canSubmit;
    }
  }

  private get _accept(): HTMLButtonElement | null {
    return this.node.querySelector('.jp-Dialog-footer .jp-mod-accept');
  }

  private readonly _model: SubmitModel;
  private _job: JobStatus | null = null;
}

/** Place of the button among the buttons. */
const ACCEPT = 1;

class Body extends ReactWidget {
  constructor(private readonly _options: ISubmitDialogOptions) {
    super();
    _options.model.changed.connect(this.update, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._options.model.changed.disconnect(this.update, this);
      super.dispose();
    }
  }

  protected override render(): JSX.Element {
    const { model, trans, translator } = this._options;
    return (
      <SubmitView
        backends={model.backends}
        backend={model.backend}
        form={model.form}
        values={model.values}
        preflight={model.preflight}
        mistakes={model.mistakes}
        own={model.own}
        last={model.last}
        lastBackend={model.lastBackend}
        refusal={model.refusal}
        preview={model.preview}
        error={model.error}
        isSubmitting={model.isSubmitting}
        onChange={values => model.edit(values)}
        onSet={difference => model.set(difference)}
        onUseLast={() => void model.useLast()}
        onRetry={() => void model.retry()}
        onChoose={backend => void model.choose(backend)}
        onLook={isPreviewing => void model.look(isPreviewing)}
        onCopy={text => Clipboard.copyToSystem(text)}
        translator={translator}
        trans={trans}
      />
    );
  }
}
