import type { TranslationBundle } from '@jupyterlab/translation';

import type { Advice } from '../api';
import { money } from '../components';
import type { IGpuActions } from './mine';

export interface IAdviceListProps {
  advice: readonly Advice[];
  /** Those that were just taken away and can be put back. */
  dismissed: ReadonlySet<string>;
  /** What cannot be advised yet, and why. */
  notes: readonly string[];
  currency: string;
  actions: IGpuActions;
  trans: TranslationBundle;
}

/** What would save money, with what speaks for it; the most first. */
export const AdviceList = (props: IAdviceListProps): JSX.Element | null => {
  const { advice, dismissed, notes, currency, actions, trans } = props;
  if (advice.length === 0 && notes.length === 0) {
    return null;
  }
  return (
    <section aria-label={trans.__('Advice')}>
      <h3 className="mlk-Gpus-heading">{trans.__('Advice')}</h3>
      <ul role="list">
        {advice.map(each =>
          dismissed.has(each.id) ? (
            <li key={each.id} className="mlk-Advice">
              <span role="status">{trans.__('Taken away for a month: %1', each.title)}</span>{' '}
              <button
                type="button"
                className="mlk-TextButton"
                aria-label={trans.__('Undo: %1', each.title)}
                onClick={() => actions.restore(each.id)}
              >
                {trans.__('Undo')}
              </button>
            </li>
          ) : (
            <li key={each.id} className="mlk-Advice">
              <strong>{each.title}</strong>{' '}
              <Saving advice={each} currency={currency} trans={trans} />
              <ul className="mlk-Advice-evidence">
                {each.evidence.map(fact => (
                  <li key={fact}>{fact}</li>
                ))}
              </ul>
              <div>{each.action}</div>
              <div className="mlk-Holder-actions">
                {each.job !== null && (
                  <button
                    type="button"
                    className="mlk-Button"
                    aria-label={trans.__('Open the job: %1', each.title)}
                    onClick={() => actions.openJob(each.job!)}
                  >
                    {trans.__('Open the job')}
                  </button>
                )}
                {each.kernel !== null && (
                  <button
                    type="button"
                    className="mlk-Button"
                    aria-label={trans.__('Show the kernel: %1', each.title)}
                    onClick={() => actions.showKernel(each.kernel!)}
                  >
                    {trans.__('Show the kernel')}
                  </button>
                )}
                <button
                  type="button"
                  className="mlk-Button"
                  aria-label={trans.__('Dismiss: %1', each.title)}
                  title={trans.__('Take it away for a month')}
                  onClick={() => actions.dismiss(each.id)}
                >
                  {trans.__('Dismiss')}
                </button>
              </div>
            </li>
          )
        )}
      </ul>
      {notes.map(text => (
        <p key={text} className="mlk-Gpus-hint">
          {text}
        </p>
      ))}
    </section>
  );
};

const Saving = ({
  advice: { saving_per_week: saving, is_certain: isCertain },
  currency,
  trans
}: {
  advice: Advice;
  currency: string;
  trans: TranslationBundle;
}): JSX.Element => {
  const amount =
    saving === null
      ? trans.__('saving unknown')
      : trans.__('saves about %1 a week', money(saving, currency));
  return (
    <span className="mlk-Advice-saving">
      {isCertain ? amount : trans.__('%1, by samples', amount)}
    </span>
  );
};
