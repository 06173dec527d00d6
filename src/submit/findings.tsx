import type { TranslationBundle } from '@jupyterlab/translation';
import { Fragment } from 'react';

import type { Finding, Form, Preflight } from '../api';
import { Path } from './path';
import { placeOf } from './shapes';
import { shortTitle, titleOf } from './values';

export interface IFindingsProps {
  findings: readonly Finding[];
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

/** What there is to say of the job as a whole, and what to do. */
export const Findings = ({ findings, trans }: IFindingsProps): JSX.Element | null =>
  findings.length === 0 ? null : (
    <ul className="mlk-Findings">
      {findings.map(finding => (
        <li key={`${finding.code} ${finding.text}`} data-level={finding.level}>
          <strong>{levelWord(finding.level, trans)}</strong> <Path text={finding.text} />
          {finding.hint && (
            <span className="mlk-Findings-hint">
              {' '}
              <Path text={finding.hint} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );

export interface IFieldLinksProps {
  /** What stands before the links. */
  lead: string;
  fields: readonly string[];
  form: Form;
  /** Goes to a field. */
  onField: (field: string) => void;
  trans: TranslationBundle;
}

/** "Correct first: Workers, lr": one link for each field. */
export const FieldLinks = (props: IFieldLinksProps): JSX.Element | null => {
  const { lead, fields, form, onField, trans } = props;
  return fields.length === 0 ? null : (
    <p className="mlk-Submit-fields">
      {lead}{' '}
      {[...new Set(fields)].map((field, at) => {
        const title = titleOf(field, form);
        return (
          <Fragment key={field}>
            {at > 0 && ', '}
            <button
              type="button"
              className="mlk-TextButton"
              aria-label={trans.__('Go to the field %1', title)}
              onClick={() => onField(field)}
            >
              {shortTitle(field, form)}
            </button>
          </Fragment>
        );
      })}
    </p>
  );
};

export interface IVerdictProps {
  form: Form;
  preflight: Preflight | null;
  /** Everything there is to say, of fields and of the whole. */
  findings: readonly Finding[];
  /** Whether the server is being asked. */
  isAsking: boolean;
  onField: (field: string) => void;
  trans: TranslationBundle;
}

/** Whether it can start, in one sentence; what speaks against it; the figures folded. */
export const Verdict = (props: IVerdictProps): JSX.Element => {
  const { form, preflight, findings, isAsking, onField, trans } = props;
  const of = (level: Finding['level']): Finding[] => findings.filter(each => each.level === level);
  const [errors, warnings, notes] = [of('error'), of('warning'), of('note')];
  const isAtField = ({ field }: Finding): boolean =>
    field !== null && placeOf(field, form) !== null;
  const fieldsOf = (found: readonly Finding[]): string[] =>
    found.filter(isAtField).map(({ field }) => field!);
  const whole = [...errors, ...warnings].filter(each => !isAtField(each));
  const told = notes.filter(({ code }) => code !== 'no_parameters'); // which stands in its group
  return (
    <>
      {preflight && (
        <p className="mlk-Submit-sentence" data-ok={errors.length === 0}>
          {sentence(preflight, errors.length > 0, trans)}
        </p>
      )}
      <FieldLinks
        lead={trans.__('Correct first:')}
        fields={fieldsOf(errors)}
        form={form}
        onField={onField}
        trans={trans}
      />
      <FieldLinks
        lead={trans.__('Warning at:')}
        fields={fieldsOf(warnings)}
        form={form}
        onField={onField}
        trans={trans}
      />
      <Findings findings={whole} trans={trans} />
      {preflight && (preflight.uses.length > 0 || told.length > 0) && (
        <details className="mlk-Form-more mlk-Submit-details">
          <summary>
            {told.length > 0
              ? trans._n('Details · %1 note', 'Details · %1 notes', told.length)
              : trans.__('Details')}
          </summary>
          <Uses preflight={preflight} />
          <Findings findings={told} trans={trans} />
        </details>
      )}
      {isAsking && <p className="mlk-Submit-waiting">{trans.__('Checking what this will use.')}</p>}
    </>
  );
};

/** "Starts at once: 1 process of 2 cores." */
function sentence(preflight: Preflight, isRefused: boolean, trans: TranslationBundle): string {
  const { summary, starts_now: startsNow } = preflight;
  if (isRefused) {
    return trans.__('Cannot start like this.');
  }
  const start =
    startsNow === null
      ? trans.__('Can be submitted; whether it starts at once is not known')
      : startsNow
        ? trans.__('Starts at once')
        : trans.__('Waits in the queue first');
  return summary ? trans.__('%1: %2.', start, summary) : trans.__('%1.', start);
}

/** What the job will use. */
const Uses = ({ preflight }: { preflight: Preflight }): JSX.Element => (
  <dl className="mlk-Uses">
    {preflight.uses.map(use => (
      <div key={use.label}>
        <dt>{use.label}</dt>
        <dd>
          <Path text={use.text} />
        </dd>
      </div>
    ))}
  </dl>
);
