import type { TranslationBundle } from '@jupyterlab/translation';
import { useRef } from 'react';

import type { ApiError, Gpus } from '../api';
import { ErrorBanner, useNow } from '../components';
import { useKeptFocus } from '../components/keptfocus';
import { AdviceList } from './advice';
import { Holders } from './mine';
import type { IGpuActions } from './mine';
import { Place } from './places';
import { staleText, wasteText } from './words';

export interface IGpusViewProps {
  /** null before the first answer. */
  gpus: Gpus | null;
  dismissed: ReadonlySet<string>;
  error: ApiError | null;
  /** Seconds since the epoch by the clock of the server. */
  clock: () => number;
  actions: IGpuActions;
  onRetry: () => void;
  trans: TranslationBundle;
}

/** How often "for 2 min" is brought up to date; the places count in whole steps of it. */
const TICK_S = 30;

/** One's own first, then what there is, then what would save money. */
export const GpusView = (props: IGpusViewProps): JSX.Element => {
  const { gpus, error, actions, trans } = props;
  useNow(TICK_S * 1000);
  const now = Math.floor(props.clock() / TICK_S) * TICK_S;
  const root = useRef<HTMLDivElement>(null);
  const onFocus = useKeptFocus(root);
  return (
    <div className="mlk-Gpus" ref={root} onFocus={onFocus}>
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {!gpus && !error && <p className="mlk-Gpus-hint">{trans.__('Asking the server.')}</p>}
      {gpus && (
        <>
          <Totals gpus={gpus} now={now} trans={trans} />
          {gpus.mine.length > 0 && (
            <Holders
              holders={gpus.mine}
              label={trans.__('What my jobs and kernels hold')}
              currency={gpus.currency}
              now={now}
              actions={actions}
              hasActions
              trans={trans}
            />
          )}
          {gpus.places.map(place => (
            <Place
              key={place.backend}
              place={place}
              currency={gpus.currency}
              now={now}
              actions={actions}
              trans={trans}
            />
          ))}
          {gpus.places.length === 0 && (
            <p className="mlk-Gpus-hint">
              {trans.__('No place is known where GPUs could be. See “Jobs run on”.')}
            </p>
          )}
          <AdviceList
            advice={gpus.advice}
            dismissed={props.dismissed}
            notes={gpus.notes}
            currency={gpus.currency}
            actions={actions}
            trans={trans}
          />
        </>
      )}
    </div>
  );
};

interface ITotalsProps {
  gpus: Gpus;
  now: number;
  trans: TranslationBundle;
}

/** What is wasted, and how fresh that is. */
const Totals = ({ gpus, now, trans }: ITotalsProps): JSX.Element => {
  const waste = wasteText(gpus, trans);
  const stale = staleText(gpus, now, trans);
  const hasGpus = gpus.places.some(({ products }) => products.length > 0);
  return (
    <div className="mlk-Gpus-totals">
      <span>
        {waste && <strong className="mlk-Holder-unused">{waste}</strong>}
        {!waste && hasGpus && wasteWord(gpus, trans)}
        {stale && <span className="mlk-Gpus-hint"> {stale}</span>}
      </span>
    </div>
  );
};

/** Nothing is wasted as far as is known, or nobody knows. */
function wasteWord(gpus: Gpus, trans: TranslationBundle): string {
  return gpus.wasted_per_hour === null && gpus.wasted_gpus === null
    ? trans.__('Unused: unknown')
    : trans.__('Nothing that is held is unused');
}
