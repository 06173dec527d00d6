import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import { useEffect, useMemo, useRef } from 'react';

import type { ApiError, Finding, Form, Preflight } from '../api';
import { ErrorBanner } from '../components';
import { arrayTemplate, Field, objectTemplate } from './field';
import { Findings, Uses } from './findings';
import { pairsField } from './pairs';
import { inWords } from './values';
import type { Values } from './values';

export interface ISubmitViewProps {
  form: Form | null;
  values: Values;
  preflight: Preflight | null;
  /** What is wrong with what is typed, found without the server. */
  unreadable: readonly Finding[];
  error: ApiError | null;
  isSubmitting: boolean;
  onChange: (values: Values) => void;
  onRetry: () => void;
  translator: ITranslator;
  trans: TranslationBundle;
}

const validator = customizeValidator<ReadonlyJSONObject>();

/** The body of the dialog: the form, and below it what the server says about it. */
export const SubmitView = (props: ISubmitViewProps): JSX.Element => {
  const { form, values, error, trans } = props;
  const templates = useMemo(
    () => ({
      FieldTemplate: Field,
      ObjectFieldTemplate: objectTemplate(trans),
      ArrayFieldTemplate: arrayTemplate(trans)
    }),
    [trans]
  );
  const fields = useMemo(() => ({ pairs: pairsField(trans) }), [trans]);
  const uiSchema = useMemo(() => ({ ...form?.ui_schema, env: { 'ui:field': 'pairs' } }), [form]);
  const root = useRef<HTMLDivElement>(null);
  const isFilled = form !== null;
  useEffect(() => {
    if (isFilled) {
      root.current?.querySelector<HTMLElement>('input:not([type=hidden])')?.focus();
    }
  }, [isFilled]);
  return (
    <div className="mlk-Submit" ref={root}>
      {form ? (
        <FormComponent
          className="mlk-Form"
          tagName="div"
          schema={form.form_schema}
          uiSchema={uiSchema}
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
        {form && <Verdict {...props} form={form} />}
      </div>
    </div>
  );
};

/** Whether asking the same again makes sense: not what was typed wrong, nor where the dialog's button does it. */
function canRetry({ form, preflight, error }: ISubmitViewProps): boolean {
  return preflight === null && !(form && error?.code === 'bad_input');
}

const Verdict = (props: ISubmitViewProps & { form: Form }): JSX.Element | null => {
  const { form, preflight, unreadable, error, trans } = props;
  if (unreadable.length > 0) {
    return <Findings findings={unreadable} trans={trans} />;
  }
  if (!preflight) {
    return error ? null : (
      <p className="mlk-Submit-waiting">{trans.__('Checking what this will use.')}</p>
    );
  }
  return (
    <>
      <Uses preflight={preflight} trans={trans} />
      <Findings findings={[...preflight.findings, ...form.findings]} trans={trans} />
    </>
  );
};
