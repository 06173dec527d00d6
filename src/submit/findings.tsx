import type { TranslationBundle } from '@jupyterlab/translation';

import type { Finding, Preflight } from '../api';

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

/** What speaks against it, and what to do. */
export const Findings = ({ findings, trans }: IFindingsProps): JSX.Element | null =>
  findings.length === 0 ? null : (
    <ul className="mlk-Findings">
      {findings.map(finding => (
        <li key={`${finding.code} ${finding.text}`} data-level={finding.level}>
          <strong>{levelWord(finding.level, trans)}</strong> {finding.text}
          {finding.hint && <span className="mlk-Findings-hint"> {finding.hint}</span>}
        </li>
      ))}
    </ul>
  );

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
