import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { useRef } from 'react';

import type { ApiError, IdleTotals, KernelState, PolicyView, Stopped } from '../api';
import { ErrorBanner, IconButton, RelativeTime, useNow } from '../components';
import { useKeptFocus } from '../components/keptfocus';
import type { IKernels } from '../tokens';
import { KernelRow } from './row';
import type { IKernelActions } from './row';
import {
  keepTime,
  leaseText,
  modeText,
  nameOf,
  serverText,
  stateText,
  totalTexts,
  usageText
} from './words';

export interface IKernelsViewProps {
  kernels: readonly KernelState[];
  /** Those that were stopped and whose notice is still there. */
  stopped: readonly Stopped[];
  /** null before the first answer. */
  totals: IdleTotals | null;
  policy: PolicyView | null;
  currency: string;
  /** When this whole server is to be stopped, and why; null: it is not. */
  serverEnd: IKernels['serverEnd'];
  error: ApiError | null;
  /** Seconds since the epoch by the clock of the server. */
  clock: () => number;
  /** What a screen reader says: the latest warning or stop. */
  announcement: string;
  actions: IKernelActions;
  onRetry: () => void;
  trans: TranslationBundle;
}

/** How often what is shown is brought up to date, in milliseconds: by the second only while seconds are shown. */
const SLOW_MS = 15_000;
const FAST_MS = 1000;
/** From so many seconds before an end on. */
const FAST_FROM_S = 150;

/** The section “Kernels”. */
export const KernelsView = (props: IKernelsViewProps): JSX.Element => {
  const { kernels, stopped, totals, policy, currency, serverEnd, error, actions, trans } = props;
  useNow(props.clock() + FAST_FROM_S >= nextEnd(kernels, serverEnd) ? FAST_MS : SLOW_MS);
  const now = props.clock();
  const root = useRef<HTMLDivElement>(null);
  const onFocus = useKeptFocus(root);
  return (
    <div className="mlk-Kernels" ref={root} onFocus={onFocus}>
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {policy?.warnings.map(warning => (
        <p key={warning} className="mlk-Kernels-warning" role="note">
          {warning}
        </p>
      ))}
      {serverEnd && (
        <p className="mlk-Kernels-warning" role="note">
          {serverText(serverEnd, now, trans)}
        </p>
      )}
      {policy && policy.mode !== 'off' && totals && (
        <p className="mlk-Kernels-totals">
          {totalTexts(totals, policy.mode, currency, trans).map(({ text, hint }) => (
            <span key={text} title={hint}>
              {text}
              <span className="mlk-visually-hidden">{hint}</span>
            </span>
          ))}
        </p>
      )}
      {policy && <p className="mlk-Kernels-mode">{modeText(policy, trans)}</p>}
      {kernels.length > 0 ? (
        <ul role="list" aria-label={trans.__('Kernels')}>
          {kernels.map(kernel => (
            <KernelRow
              key={kernel.id}
              kernel={kernel}
              state={stateText(kernel, now, trans)}
              kept={leaseText(kernel, now, trans)}
              usage={usageText(kernel, currency, trans)}
              keepTime={keepTime(policy)}
              actions={actions}
              trans={trans}
            />
          ))}
        </ul>
      ) : (
        <Nothing {...props} />
      )}
      {stopped.length > 0 && (
        <StoppedList stopped={stopped} now={now} actions={actions} trans={trans} />
      )}
      <div className="mlk-visually-hidden" role="status" aria-live="polite">
        {props.announcement}
      </div>
    </div>
  );
};

/** Seconds since the epoch of the next end, also of what keeps a kernel; infinite where there is none. */
function nextEnd(kernels: readonly KernelState[], server: IKernels['serverEnd']): number {
  return Math.min(
    server?.at ?? Infinity,
    ...kernels.flatMap(({ stops_at: end, lease }) => [end ?? Infinity, lease?.until ?? Infinity]),
    Infinity
  );
}

/** Why there is no row. */
const Nothing = ({ policy, error, trans }: IKernelsViewProps): JSX.Element | null => {
  if (error || policy?.mode === 'off') {
    return null;
  }
  return (
    <p className="mlk-Kernels-none">
      {policy
        ? trans.__(
            'No kernel runs. Once one does, you see here what it does, what it costs, and whether it is about to be stopped.'
          )
        : trans.__('Asking the server.')}
    </p>
  );
};

interface IStoppedListProps {
  stopped: readonly Stopped[];
  now: number;
  actions: IKernelActions;
  trans: TranslationBundle;
}

/** What was stopped lately, and why. */
const StoppedList = ({ stopped, now, actions, trans }: IStoppedListProps): JSX.Element => (
  <>
    <h3 className="mlk-Kernels-heading">{trans.__('Stopped')}</h3>
    <ul role="list" aria-label={trans.__('Stopped kernels')}>
      {stopped.map(each => (
        <li key={each.id} className="mlk-StoppedRow">
          <div>
            {each.path ? (
              <button
                type="button"
                className="mlk-RowName mlk-KernelRow-name"
                title={trans.__('Open %1', each.path)}
                onClick={() => actions.open(each.path ?? '')}
              >
                {nameOf(each)}
              </button>
            ) : (
              <span className="mlk-RowName mlk-KernelRow-name">{nameOf(each)}</span>
            )}
            <div>
              {each.words} · <RelativeTime at={each.at} now={now} trans={trans} />
            </div>
          </div>
          <IconButton
            icon={closeIcon}
            label={trans.__('Take away the notice of %1', nameOf(each))}
            onClick={() => actions.dismiss(each.id)}
          />
        </li>
      ))}
    </ul>
  </>
);
