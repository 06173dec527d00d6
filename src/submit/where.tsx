import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo } from '../api';
import { WatchStateLine } from '../backends/places';
import { watchStateHint, isCluster, whereText } from '../backends/words';

export interface IWhereProps {
  backends: readonly BackendInfo[];
  chosen: BackendInfo | undefined;
  /** Where it ran the last time, if that is known. */
  last: string | undefined;
  disabled: boolean;
  onChoose: (backend: string) => void;
  trans: TranslationBundle;
}

/** Where the job runs, and what ends it there: a choice where there is one. */
export const Where = (props: IWhereProps): JSX.Element | null => {
  const { backends, chosen, trans } = props;
  if (backends.length < 2) {
    return chosen === undefined ? null : isCluster(chosen) ? (
      <div className="mlk-Where" role="group" aria-label={trans.__('Where it runs')}>
        <div className="mlk-Where-place">
          <Place backend={chosen} trans={trans} />
        </div>
      </div>
    ) : (
      <Fate trans={trans} />
    );
  }
  return (
    <fieldset className="mlk-Where">
      <legend>{trans.__('Where it runs')}</legend>
      {backends.map(backend => (
        <label key={backend.name} className="mlk-Where-place">
          <input
            type="radio"
            name="mlk-where"
            value={backend.name}
            checked={backend.name === chosen?.name}
            disabled={props.disabled}
            onChange={() => props.onChoose(backend.name)}
          />
          <Place backend={backend} isLast={backend.name === props.last} trans={trans} />
        </label>
      ))}
      {chosen && !isCluster(chosen) && <Fate trans={trans} />}
    </fieldset>
  );
};

/** What becomes of a job on this machine when its server is stopped. */
const Fate = ({ trans }: { trans: TranslationBundle }): JSX.Element => (
  <p className="mlk-Where-fate">
    {trans.__(
      'It goes on when this page is closed or the Jupyter server is stopped, but not longer than the machine or container that the server runs in: where a JupyterHub removes that with an idle server, the job ends with it.'
    )}
  </p>
);

interface IPlaceProps {
  backend: BackendInfo;
  isLast?: boolean;
  trans: TranslationBundle;
}

const Place = ({ backend, isLast = false, trans }: IPlaceProps): JSX.Element => {
  const isTroubled = backend.watch === 'reconnecting' || backend.watch === 'refused';
  return (
    <span className="mlk-Where-text">
      <span className="mlk-Where-title">
        <strong>{backend.title}</strong>
        <WatchStateLine backend={backend} trans={trans} />
        {isLast && <span className="mlk-Where-last">{trans.__('last used')}</span>}
      </span>
      <span className="mlk-Where-why">
        {[whereText(backend, trans), backend.why].filter(Boolean).join(' · ')}
      </span>
      {isCluster(backend) && isTroubled && (
        <span className="mlk-Where-trouble">
          {backend.watch_why ?? watchStateHint(backend.watch, trans)}
        </span>
      )}
    </span>
  );
};
