import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { Api, Finding, Form, JobSpec, JobStatus, Preflight } from '../api';
import { toSpec, toValues } from './values';
import type { Values } from './values';

export interface ISubmitModelOptions {
  api: Pick<Api, 'form' | 'preflight' | 'submit'>;
  trans: TranslationBundle;
  /** Path of the notebook or script, as the server's contents manager knows it. */
  path: string;
  /** Values of an earlier job to fill in. */
  spec?: Partial<JobSpec>;
}

/** How long typing must rest before the preflight is asked. */
const REST_MS = 400;

/**
 * What the submit dialog knows. Whatever fails, what was typed stays.
 */
export class SubmitModel implements IDisposable {
  constructor(options: ISubmitModelOptions) {
    this._options = options;
  }

  /** Made once, so that pressing twice or trying again after a lost answer makes one job. */
  readonly requestId = UUID.uuid4();

  get form(): Form | null {
    return this._form;
  }

  get values(): Values {
    return this._values;
  }

  /** What the server says about the values as they are now; null while it is asked. */
  get preflight(): Preflight | null {
    return this._preflight;
  }

  /** What last went wrong: reading the form, the preflight, or submitting. */
  get error(): ApiError | null {
    return this._error;
  }

  get isSubmitting(): boolean {
    return this._isSubmitting;
  }

  /** What is typed as a spec. */
  get spec(): JobSpec {
    return this._form ? toSpec(this._values, this._form).spec : ({} as JobSpec);
  }

  /** What is wrong with what is typed, before any server is asked. */
  get unreadable(): readonly Finding[] {
    const { trans } = this._options;
    const unreadable = this._form ? toSpec(this._values, this._form).unreadable : [];
    return unreadable.map(({ parameter }) => ({
      level: 'error',
      code: 'not_json',
      text: trans.__('The value of %1 is not JSON.', parameter),
      hint: trans.__('Write it like [1, 2], {"a": 1} or "text".'),
      field: 'parameters'
    }));
  }

  /** Only what a preflight has seen and found good can be submitted. */
  get canSubmit(): boolean {
    return this._preflight?.ok === true && !this._isSubmitting && this.unreadable.length === 0;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Reads the form; again after a failure. */
  async load(): Promise<void> {
    this._set(null);
    try {
      this._form = await this._options.api.form(this._options.path);
    } catch (error) {
      this._set(ApiError.from(error, this._options.trans));
      return;
    }
    this._values = toValues(this._form, this._options.spec);
    this._set(null);
    await this.check();
  }

  /** Takes what was typed, and asks the server about it when typing rests. */
  edit(values: Values): void {
    if (JSONExt.deepEqual(values, this._values)) {
      return;
    }
    this._values = values;
    this._preflight = null;
    this._abort?.abort();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.check(), REST_MS);
    this._set(null);
  }

  /** Asks the server about what is typed now. */
  async check(): Promise<void> {
    clearTimeout(this._timer);
    this._abort?.abort();
    if (this._isDisposed || this.unreadable.length > 0) {
      return;
    }
    const abort = (this._abort = new AbortController());
    this._preflight = null;
    this._set(null);
    try {
      const preflight = await this._options.api.preflight(this.spec, abort.signal);
      if (!abort.signal.aborted) {
        this._preflight = preflight;
        this._set(null);
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this._set(ApiError.from(error, this._options.trans));
      }
    }
  }

  /** Submits; null when it cannot be, or the server refused (then `error` says why). */
  async submit(): Promise<JobStatus | null> {
    if (!this.canSubmit) {
      return null;
    }
    this._isSubmitting = true;
    this._set(null);
    try {
      return await this._options.api.submit(this.spec, this.requestId);
    } catch (error) {
      this._isSubmitting = false;
      this._set(ApiError.from(error, this._options.trans));
      return null;
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      clearTimeout(this._timer);
      this._abort?.abort();
      Signal.clearData(this);
    }
  }

  private _set(error: ApiError | null): void {
    this._error = error;
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  private readonly _options: ISubmitModelOptions;
  private readonly _changed = new Signal<this, void>(this);
  private _form: Form | null = null;
  private _values: Values = {};
  private _preflight: Preflight | null = null;
  private _error: ApiError | null = null;
  private _isSubmitting = false;
  private _isDisposed = false;
  private _abort: AbortController | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
