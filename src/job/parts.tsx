import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactNode } from 'react';

import { UNKNOWN } from './words';

export function Part({ title, children }: { title: string; children: ReactNode }): JSX.Element {
  return (
    <section className="mlk-Part">
      <h2 className="mlk-Part-title">{title}</h2>
      {children}
    </section>
  );
}

/** Names and values in two aligned columns. */
export function Facts({
  rows,
  label
}: {
  rows: readonly (readonly [string, ReactNode])[];
  label?: string;
}): JSX.Element {
  return (
    <dl className="mlk-Facts" aria-label={label}>
      {rows.map(([name, value]) => (
        <div key={name} className="mlk-Facts-row">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Copy({
  text,
  trans,
  onCopy
}: {
  text: string;
  trans: TranslationBundle;
  onCopy: (text: string) => void;
}): JSX.Element {
  return (
    <>
      <code>{text}</code>{' '}
      <button
        type="button"
        className="mlk-TextButton"
        aria-label={trans.__('Copy %1', text)}
        onClick={() => onCopy(text)}
      >
        {trans.__('Copy')}
      </button>
    </>
  );
}

export function Unknown({ trans }: { trans: TranslationBundle }): JSX.Element {
  return <span title={trans.__('Not known')}>{UNKNOWN}</span>;
}
