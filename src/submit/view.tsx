import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import { useEffect, useMemo, useRef } from 'react';

import type { ApiError, BackendInfo, Finding, Form, Preflight } from '../api';
import { isCluster } from '../backends/words';
import { ErrorBanner } from '../components';
import { byId } from './differences';
import type { IDifference } from './differences';
import { Field } from './field';
import { Verdict } from './findings';
import { arrayTemplate, objectTemplate } from './groups';
import { useKeptFocus } from '../components/keptfocus';
import { LastTime } from './lasttime';
import type { IPreview } from './model';
import { networkField } from './network';
import type { IFormContext } from './notes';
import { NumberField } from './number';
import { pairsField } from './pairs';
import { Preview } from './preview';
import { describedBy, placeOf, shapesOf, withExamples } from './shapes';
import type { Values } from './values';
import { Where } from './where';

export interface ISubmitViewProps {
  backends: readonly BackendInfo[];
  backend: BackendInfo | undefined;
  form: Form | null;
  values: Values;
  preflight: Preflight | null;
  /** What is wrong with what is typed, found here or by the server. */
  mistakes: readonly Finding[];
  /** What differs from the notebook or the default, with what that is. */
  own: readonly IDifference[];
  /** What was used last, where it differs from both. */
  last: readonly IDifference[];
  /** Where it ran the last time. */
  lastBackend: string | undefined;
  /** The right that is missing to submit. */
  refusal: Finding | null;
  /** What would be created; null while it is folded. */
  preview: IPreview | null;
  error: ApiError | null;
  isSubmitting: boolean;
  onChange: (values: Values) => void;
  /** Sets one field: back to the notebook's value, or to what was used last. */
  onSet: (difference: IDifference) => void;
  /** Sets all that was used last. */
  onUseLast: () => void;
  onRetry: () => void;
  onChoose: (backend: string) => void;
  onLook: (isPreviewing: boolean) => void;
  onCopy: (text: string) => void;
  translator: ITranslator;
  trans: TranslationBundle;
}

const validator = customizeValidator<ReadonlyJSONObject>();

/** The body of the dialog: the form, and below it what the server says about it. */
export const SubmitView = (props: ISubmitViewProps): JSX.Element => {
  const { form, values, backend, preflight, error, own, last, onSet, trans } = props;
  const templates = useMemo(
    () => ({
      FieldTemplate: Field,
      ObjectFieldTemplate: objectTemplate(trans),
      ArrayFieldTemplate: arrayTemplate(trans)
    }),
    [trans]
  );
  const fields = useMemo(
    () => ({ pairs: pairsField(trans), network: networkField(trans), number: NumberField }),
    [trans]
  );
  const uiSchema = useMemo(() => form && shapesOf(form), [form]);
  const schema = useMemo(() => form && withExamples(form.form_schema, backend), [form, backend]);
  const findings = findingsOf(props);
  const context: IFormContext = {
    findings: form ? describedBy(findings, form) : new Map<string, Finding[]>(),
    own: byId(own),
    last: byId(last),
    onSet,
    trans
  };
  const root = useRef<HTMLDivElement>(null);
  const isFilled = form !== null;
  useEffect(() => {
    if (isFilled) {
      root.current?.querySelector<HTMLElement>('.mlk-Form input:not([type=hidden])')?.focus();
    }
  }, [isFilled]);
  const onFocus = useKeptFocus(root);
  const isAsking = preflight === null && error === null && props.mistakes.length === 0;
  return (
    <div className="mlk-Submit" ref={root} onFocus={onFocus}>
      <Where
        backends={props.backends}
        chosen={backend}
        last={props.lastBackend}
        disabled={props.isSubmitting}
        onChoose={props.onChoose}
        trans={trans}
      />
      {form && (last.length > 0 || elsewhere(props)) && (
        <LastTime
          last={last}
          place={elsewhere(props)}
          form={form}
          onUse={props.onUseLast}
          disabled={props.isSubmitting}
          trans={trans}
        />
      )}
      {form && schema && uiSchema ? (
        <FormComponent
          className="mlk-Form"
          tagName="div"
          schema={schema}
          uiSchema={uiSchema}
          formContext={context}
          formData={values}
          validator={validator}
          templates={templates}
          fields={fields}
          translator={props.translator}
          disabled={props.isSubmitting}
          showErrorList={false}
          showModifiedFromDefault={false}
          noHtml5Validate
          noValidate
          onChange={event => event.formData && props.onChange(event.formData)}
        />
      ) : (
        !error && <p className="mlk-Submit-waiting">{trans.__('Reading the notebook.')}</p>
      )}
      <div className="mlk-Submit-verdict" aria-live="polite">
        {error && !(form && isAtFields(error, form)) && (
          <ErrorBanner
            error={error}
            trans={trans}
            onRetry={canRetry(props) ? props.onRetry : undefined}
          />
        )}
        {form && (
          <Verdict
            form={form}
            preflight={props.mistakes.length > 0 ? null : preflight}
            findings={findings}
            isAsking={isAsking}
            onField={field => reveal(root.current, placeOf(field, form)?.id)}
            trans={trans}
          />
        )}
      </div>
      {form && isCluster(backend) && (
        <Preview
          preview={props.preview}
          onLook={props.onLook}
          onCopy={props.onCopy}
          trans={trans}
        />
      )}
    </div>
  );
};

/** Whether asking the same again makes sense: not what was typed wrong, nor where the dialog's button does it. */
function canRetry({ form, preflight, error }: ISubmitViewProps): boolean {
  return preflight === null && !(form && error?.code === 'bad_input');
}

/** Everything there is to say of what is typed. */
function findingsOf(props: ISubmitViewProps): Finding[] {
  const { form, preflight, mistakes, refusal } = props;
  const found = mistakes.length > 0 ? mistakes : (preflight?.findings ?? []);
  return [...(refusal ? [refusal] : []), ...found, ...(form?.findings ?? [])];
}

/** Whether all that an error says stands at fields. */
function isAtFields(error: ApiError, form: Form): boolean {
  const fields = Object.keys(error.fields);
  return fields.length > 0 && fields.every(field => placeOf(field, form) !== null);
}

/** The place where it ran the last time, if that can be chosen and is not. */
function elsewhere(props: ISubmitViewProps): BackendInfo | undefined {
  const { backends, backend, lastBackend } = props;
  return lastBackend === backend?.name
    ? undefined
    : backends.find(({ name }) => name === lastBackend);
}

/** Focuses the field, or the first one in its group, and unfolds what hides it. */
function reveal(root: HTMLElement | null, id: string | undefined): void {
  const found = id ? root?.querySelector<HTMLElement>(`[id=${JSON.stringify(id)}]`) : null;
  for (let fold = found?.closest('details'); fold; fold = fold.parentElement?.closest('details')) {
    fold.open = true;
  }
  const input = found?.matches('fieldset')
    ? found.querySelector<HTMLElement>('input, select, button')
    : found;
  input?.focus();
}
