import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import { useEffect, useMemo, useRef } from 'react';

import type { ApiError, BackendInfo, Finding, Form, Preflight } from '../api';
import { isCluster } from '../backends/words';
import { ErrorBanner } from '../components';
import { arrayTemplate, Field, objectTemplate } from './field';
import type { IFormContext } from './field';
import { Findings, Uses } from './findings';
import type { IPreview } from './model';
import { networkField } from './network';
import { pairsField } from './pairs';
import { Preview } from './preview';
import { describedBy, fieldId, shapesOf, withExamples } from './shapes';
import { inWords } from './values';
import type { Values } from './values';
import { Where } from './where';

export interface ISubmitViewProps {
  backends: readonly BackendInfo[];
  backend: BackendInfo | undefined;
  form: Form | null;
  values: Values;
  preflight: Preflight | null;
  /** What is wrong with what is typed, found without the server. */
  unreadable: readonly Finding[];
  /** The right that is missing to submit. */
  refusal: Finding | null;
  /** What would be created; null while it is folded. */
  preview: IPreview | null;
  error: ApiError | null;
  isSubmitting: boolean;
  onChange: (values: Values) => void;
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
  const { form, values, backend, preflight, error, trans } = props;
  const templates = useMemo(
    () => ({
      FieldTemplate: Field,
      ObjectFieldTemplate: objectTemplate(trans),
      ArrayFieldTemplate: arrayTemplate(trans)
    }),
    [trans]
  );
  const fields = useMemo(
    () => ({ pairs: pairsField(trans), network: networkField(trans) }),
    [trans]
  );
  const uiSchema = useMemo(() => form && shapesOf(form), [form]);
  const schema = useMemo(() => form && withExamples(form.form_schema, backend), [form, backend]);
  const context = useMemo<IFormContext>(
    () => ({ findings: describedBy(preflight?.findings ?? []) }),
    [preflight]
  );
  const root = useRef<HTMLDivElement>(null);
  const isFilled = form !== null;
  useEffect(() => {
    if (isFilled) {
      root.current?.querySelector<HTMLElement>('.mlk-Form input:not([type=hidden])')?.focus();
    }
  }, [isFilled]);
  const goTo = (field: string): void => reveal(root.current, field);
  return (
    <div className="mlk-Submit" ref={root}>
      <Where
        backends={props.backends}
        chosen={backend}
        disabled={props.isSubmitting}
        onChoose={props.onChoose}
        trans={trans}
      />
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
          onChange={event => event.formData && props.onChange(event.formData)}
        />
      ) : (
        !error && <p className="mlk-Submit-waiting">{trans.__('Reading the notebook.')}</p>
      )}
      <div className="mlk-Submit-verdict" aria-live="polite">
        {error && (
          <ErrorBanner
            error={
              form
                ? { title: error.title, detail: inWords(error.detail, form), hint: error.hint }
                : error
            }
            trans={trans}
            onRetry={canRetry(props) ? props.onRetry : undefined}
          />
        )}
        {form && <Verdict {...props} form={form} onField={goTo} />}
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

interface IVerdictProps extends ISubmitViewProps {
  form: Form;
  onField: (field: string) => void;
}

const Verdict = (props: IVerdictProps): JSX.Element | null => {
  const { form, preflight, unreadable, refusal, error, trans } = props;
  const refused = refusal ? [refusal] : [];
  const found = preflight ? [...preflight.findings, ...form.findings] : [];
  const findings = [...refused, ...(unreadable.length > 0 ? unreadable : found)];
  const isAsking = preflight === null && error === null && unreadable.length === 0;
  return (
    <>
      {preflight && unreadable.length === 0 && <Uses preflight={preflight} trans={trans} />}
      <Findings findings={findings} form={form} onField={props.onField} trans={trans} />
      {isAsking && <p className="mlk-Submit-waiting">{trans.__('Checking what this will use.')}</p>}
    </>
  );
};

/** Focuses the field, or the first one in its group, and unfolds what hides it. */
function reveal(root: HTMLElement | null, field: string): void {
  const found = root?.querySelector<HTMLElement>(`[id=${JSON.stringify(fieldId(field))}]`);
  for (let fold = found?.closest('details'); fold; fold = fold.parentElement?.closest('details')) {
    fold.open = true;
  }
  const input = found?.matches('fieldset')
    ? found.querySelector<HTMLElement>('input, select, button')
    : found;
  input?.focus();
}
