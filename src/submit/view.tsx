import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import { useMemo } from 'react';

import type { ApiError, Finding, Form, Preflight } from '../api';
import { ErrorBanner } from '../components';
import { arrayTemplate, fieldTemplate, objectTemplate } from './field';
import { Findings, Uses } from './findings';
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
      FieldTemplate: fieldTemplate(trans),
      ObjectFieldTemplate: objectTemplate(trans),
      ArrayFieldTemplate: arrayTemplate(trans)
    }),
    [trans]
  );
  return (
    <div className="mlk-Submit">
      {form ? (
        <FormComponent
          className="mlk-Form"
          tagName="div"
          schema={form.form_schema}
          uiSchema={form.ui_schema}
          formData={values}
          validator={validator}
          templates={templates}
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
        {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
        {form && <Verdict {...props} form={form} />}
      </div>
    </div>
  );
};

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
