import type { TranslationBundle } from '@jupyterlab/translation';

import type { Finding, Form, Preflight } from '../api';
import { isAsked, titleOf } from './values';

export interface IFindingsProps {
  findings: readonly Finding[];
  form: Form;
  /** Goes to the field that a finding is about. */
  onField: (field: string) => void;
  trans: TranslationBundle;
}

function levelWord(level: Finding['level'], trans: TranslationBundle): string {
  switch (level) {
    case 'error':
      return trans.__('Error');
    case 'warning':
      return trans.__('Warning');
    case 'note':
      return trans.__('Note');
  }
}

/** What speaks against it, and what to do. */
export const Findings = ({ findings, form, onField, trans }: IFindingsProps): JSX.Element | null =>
  findings.length === 0 ? null : (
    <ul className="mlk-Findings">
      {findings.map(finding => (
        <li key={`${finding.code} ${finding.text}`} data-level={finding.level}>
          <strong>{levelWord(finding.level, trans)}</strong> {finding.text}
          {finding.hint && <span className="mlk-Findings-hint"> {finding.hint}</span>}
          {finding.field && isInForm(finding.field, form) && (
            <>
              {' '}
              <FieldLink field={finding.field} form={form} onField={onField} trans={trans} />
            </>
          )}
        </li>
      ))}
    </ul>
  );

const FieldLink = ({
  field,
  form,
  onField,
  trans
}: Pick<IFindingsProps, 'form' | 'onField' | 'trans'> & { field: string }): JSX.Element => {
  const title = titleOf(field, form);
  return (
    <button
      type="button"
      className="mlk-TextButton"
      aria-label={trans.__('Go to the field %1', title)}
      onClick={() => onField(field)}
    >
      {title}
    </button>
  );
};

function isInForm(field: string, form: Form): boolean {
  const name = field.split('.')[0];
  const hidden = (form.ui_schema[name] as Record<string, unknown> | undefined)?.['ui:widget'];
  return isAsked(name, form) && hidden !== 'hidden';
}

export interface IUsesProps {
  preflight: Preflight;
  trans: TranslationBundle;
}

/** What the job will use, and whether it starts now. */
export const Uses = ({ preflight, trans }: IUsesProps): JSX.Element => (
  <dl className="mlk-Uses">
    {preflight.uses.map(use => (
      <div key={use.label}>
        <dt>{use.label}</dt>
        <dd>{use.text}</dd>
      </div>
    ))}
    {preflight.starts_now !== null && (
      <div>
        <dt>{trans.__('Start')}</dt>
        <dd>{preflight.starts_now ? trans.__('at once') : trans.__('waits in the queue first')}</dd>
      </div>
    )}
  </dl>
);
