import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { Api, BackendInfo, Finding, Form, JobSpec, JobStatus, Preflight } from '../api';
import { isCluster, missingRight, rightText } from '../backends/words';
import type { IBackends } from '../tokens';
import { differences, withThese } from './differences';
import type { IDifference } from './differences';
import type { ILast } from './lastused';
import { mistakesOf } from './mistakes';
import { carried, isAsked, toSpec, toValues } from './values';
import type { Values } from './values';

export interface ISubmitModelOptions {
  api: Pick<Api, 'form' | 'preflight' | 'render' | 'submit'>;
  backends: Pick<IBackends, 'all' | 'load' | 'get' | 'changed'>;
  trans: TranslationBundle;
  /** Path of the notebook or script, as the server's contents manager knows it. */
  path: string;
  /** Values of an earlier job to fill in. */
  spec?: Partial<JobSpec>;
  /** Where that one ran; passed over where there is no such place any more. */
  backend?: string;
  /** What was used last: offered, never filled in. */
  last?: ILast;
}

/** What would be created in a cluster. */
export interface IPreview {
  /** YAML; null while it is on its way. */
  readonly yaml: string | null;
  readonly error: ApiError | null;
}

/** How long typing must rest before the preflight is asked. */
const REST_MS = 400;

/**
 * What the submit dialog knows. Whatever fails, what was typed stays.
 */
export class SubmitModel implements IDisposable {
  constructor(options: ISubmitModelOptions) {
    this._options = options;
    options.backends.changed.connect(this._onBackends, this);
  }

  get form(): Form | null {
    return this._form;
  }

  /** What is typed of what the form asks. */
  get values(): Values {
    return this._values;
  }

  /** What differs from the notebook or from the default, with what it is there. */
  get own(): readonly IDifference[] {
    return this._form ? differences(this._values, this._own, this._form) : [];
  }

  /** What was used last, of fields that hold neither that nor anything that was chosen since. */
  get last(): readonly IDifference[] {
    const { last } = this._options;
    if (!this._form || !last) {
      return [];
    }
    const there = toValues(this._form, last.options);
    const chosen = new Set(differences(there, this._own, this._form).map(({ field }) => field));
    return differences(this._values, there, this._form).filter(({ field }) => chosen.has(field));
  }

  /** Where it ran the last time, if that is still there. */
  get lastBackend(): string | undefined {
    return this._options.backends.get(this._options.last?.backend ?? '')?.name;
  }

  /** Where jobs can run, the proposed place first. */
  get backends(): readonly BackendInfo[] {
    return this._options.backends.all;
  }

  /** Where this one will. */
  get backend(): BackendInfo | undefined {
    return this._options.backends.get(this._backend ?? '') ?? this.backends.at(0);
  }

  /** What would be created; null while nobody looks, or where a job is no object of a cluster. */
  get preview(): IPreview | null {
    return this._isPreviewing && isCluster(this.backend) ? this._preview : null;
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
    return this._form ? toSpec(this._values, this._form) : ({} as JobSpec);
  }

  /** What is wrong with what is typed, each with its field: found here, else by the server. */
  get mistakes(): readonly Finding[] {
    const found = this._typos;
    return found.length > 0
      ? found
      : Object.entries(this._error?.fields ?? {}).map(([field, text]) => ({
          level: 'error',
          code: 'mistake',
          text,
          hint: null,
          field
        }));
  }

  /** The right that is missing to submit there, if so. */
  get refusal(): Finding | null {
    const right = missingRight(this.backend, 'submit');
    return right && this.backend
      ? {
          level: 'error',
          code: 'no_right',
          text: rightText({ ...right, hint: null }, this.backend, this._options.trans),
          hint: right.hint,
          field: null
        }
      : null;
  }

  /** Only what a preflight has seen and found good can be submitted. */
  get canSubmit(): boolean {
    return (
      this._preflight?.ok === true &&
      !this._isSubmitting &&
      this.refusal === null &&
      this._typos.length === 0
    );
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Reads the form; again after a failure. */
  async load(): Promise<void> {
    const asked = ++this._asked;
    this._set(null);
    try {
      await this._options.backends.load();
      const wanted = this._options.backend;
      if (this._backend === undefined && wanted && this._options.backends.get(wanted)) {
        this._backend = wanted;
      }
      // Kept from here on, whatever becomes the proposed place while the dialog is open.
      this._backend = this.backend?.name;
      const form = await this._options.api.form(this._options.path, this.backend?.name);
      if (asked !== this._asked || this._isDisposed) {
        return;
      }
      this._own = toValues(form);
      const proposed = toValues(form, this._options.spec);
      this._values = this._form ? carried(this._values, this._proposed, proposed) : proposed;
      this._proposed = proposed;
      this._form = form;
      this._formOf = this._backend;
    } catch (error) {
      if (asked === this._asked) {
        this._set(ApiError.from(error, this._options.trans));
      }
      return;
    }
    this._set(null);
    await this.check();
  }

  /** Chooses where it runs. What was typed stays, also what only the other place asks. */
  async choose(backend: string): Promise<void> {
    if (backend === this.backend?.name || this._isSubmitting) {
      return;
    }
    this._backend = backend;
    this._forget();
    await this.load();
  }

  /** Asks again what last failed. */
  async retry(): Promise<void> {
    await (this._hasForm ? this.check() : this.load());
  }

  /** Takes what was typed, and asks the server about it when typing rests. */
  edit(values: Values): void {
    const form = this._form;
    const kept = Object.entries(this._values).filter(([key]) => form && !isAsked(key, form));
    const next = { ...Object.fromEntries(kept), ...values } as Values;
    if (JSONExt.deepEqual(next, this._values)) {
      return;
    }
    this._values = next;
    this._forget();
    this._timer = setTimeout(() => void this.check(), REST_MS);
    this._set(null);
  }

  /** Sets one field: back to the notebook's value, or to what was used last. */
  set(difference: IDifference): void {
    this.edit(withThese(this._values, [difference]));
  }

  /** Sets all that was used last, and goes where it ran. */
  async useLast(): Promise<void> {
    if (this.lastBackend) {
      await this.choose(this.lastBackend);
    }
    if (this._hasForm) {
      this.edit(withThese(this._values, this.last));
    }
  }

  /** Shows what would be created, from now on; or no longer. */
  async look(isPreviewing: boolean): Promise<void> {
    this._isPreviewing = isPreviewing;
    await this._render();
  }

  /** Asks the server about what is typed now. */
  async check(): Promise<void> {
    this._forget();
    if (this._isDisposed || !this._hasForm || this._typos.length > 0) {
      return;
    }
    const abort = (this._abort = new AbortController());
    this._set(null);
    void this._render();
    try {
      const { api } = this._options;
      const preflight = await api.preflight(this.spec, this.backend?.name, abort.signal);
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
      return await this._options.api.submit(this.spec, this._requestId, this.backend?.name);
    } catch (error) {
      const known = ApiError.from(error, this._options.trans);
      if (known.code === 'request_used') {
        this._requestId = UUID.uuid4(); // they were told of that job, and may want this one as well
      }
      this._isSubmitting = false;
      this._set(known);
      return null;
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._forget();
      this._options.backends.changed.disconnect(this._onBackends, this);
      Signal.clearData(this);
    }
  }

  /** Whether the form is that of the place where the job is to run. */
  private get _hasForm(): boolean {
    return this._form !== null && this._formOf === this.backend?.name;
  }

  /** What is wrong that needs no server to be found. */
  private get _typos(): readonly Finding[] {
    return this._form ? mistakesOf(this._values, this._form, this._options.trans) : [];
  }

  /** What the server said is about other values. */
  private _forget(): void {
    clearTimeout(this._timer);
    this._abort?.abort();
    this._preflight = null;
  }

  private async _render(): Promise<void> {
    const { api, trans } = this._options;
    this._rendering?.abort();
    if (
      !this._isPreviewing ||
      !this._hasForm ||
      !isCluster(this.backend) ||
      this._typos.length > 0
    ) {
      this._set(this._error);
      return;
    }
    const abort = (this._rendering = new AbortController());
    this._preview = { yaml: null, error: null };
    this._set(this._error);
    try {
      const { yaml } = await api.render(this.spec, this.backend?.name, abort.signal);
      if (!abort.signal.aborted) {
        this._preview = { yaml, error: null };
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this._preview = { yaml: null, error: ApiError.from(error, trans) };
      }
    }
    this._set(this._error);
  }

  /** A cluster that came back, a right that was given: what the dialog says of places is as fresh as the panel. */
  private _onBackends(): void {
    this._set(this._error);
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
  private _own: Values = {};
  private _proposed: Values = {};
  private _backend: string | undefined;
  private _formOf: string | undefined;
  private _asked = 0;
  private _isPreviewing = false;
  private _preview: IPreview = { yaml: null, error: null };
  private _rendering: AbortController | undefined;
  private _preflight: Preflight | null = null;
  private _error: ApiError | null = null;
  /** Stays, so that pressing twice or trying again after a lost answer makes one job. */
  private _requestId = UUID.uuid4();
  private _isSubmitting = false;
  private _isDisposed = false;
  private _abort: AbortController | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
