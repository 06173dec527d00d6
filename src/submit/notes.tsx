import type { TranslationBundle } from '@jupyterlab/translation';

import type { Finding } from '../api';
import { inWords } from './differences';
import type { IDifference } from './differences';

/** What the fields know besides their values. */
export interface IFormContext {
  /** What there is to say of a field, by its id, the worst first. */
  readonly findings: ReadonlyMap<string, readonly Finding[]>;
  /** What the notebook says, or the default is, where a field holds something else. */
  readonly own: ReadonlyMap<string, IDifference>;
  /** What was used last, where that is another value than the field's and than its own. */
  readonly last: ReadonlyMap<string, IDifference>;
  /** Sets a field to such a value. */
  readonly onSet: (difference: IDifference) => void;
  readonly trans: TranslationBundle;
}

export interface INotesProps {
  /** Of the field's input. */
  id: string;
  /** What the field is called. */
  title: string;
  /** Of the form; undefined outside of it. */
  context: unknown;
}

/** Below a field: what is wrong with it, that it differs from the notebook, and what was used last. */
export const Notes = ({ id, title, context }: INotesProps): JSX.Element | null => {
  const known = context as IFormContext | undefined;
  if (!known) {
    return null;
  }
  const { trans, onSet } = known;
  const findings = known.findings.get(id) ?? [];
  const own = known.own.get(id);
  const last = known.last.get(id);
  return (
    <>
      {findings.length > 0 && (
        <div id={`${id}__error`} className="mlk-Field-findings">
          {findings.map(({ code, level, text, hint }) => (
            <div key={`${code} ${text}`} className="mlk-Field-finding" data-level={level}>
              {text}
              {hint && <span className="mlk-Findings-hint"> {hint}</span>}
            </div>
          ))}
        </div>
      )}
      {own && (
        <div className="mlk-Field-note" data-kind="own">
          <span>
            {own.field.startsWith('parameters.')
              ? trans.__('notebook: %1', inWords(own, trans))
              : trans.__('default: %1', inWords(own, trans))}
          </span>{' '}
          <button
            type="button"
            className="mlk-TextButton"
            aria-label={trans.__('Put %1 back to %2', title, inWords(own, trans))}
            onClick={() => onSet(own)}
          >
            {trans.__('put back')}
          </button>
        </div>
      )}
      {last && (
        <div className="mlk-Field-note" data-kind="last">
          <span>{trans.__('last used: %1', inWords(last, trans))}</span>{' '}
          <button
            type="button"
            className="mlk-TextButton"
            aria-label={trans.__('Use %1 for %2', inWords(last, trans), title)}
            onClick={() => onSet(last)}
          >
            {trans.__('use')}
          </button>
        </div>
      )}
    </>
  );
};

/** How bad what there is to say of a field is; undefined when there is nothing. */
export function levelOf(id: string, context: unknown): Finding['level'] | undefined {
  return (context as IFormContext | undefined)?.findings.get(id)?.at(0)?.level;
}
