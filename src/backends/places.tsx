import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo, Orphan } from '../api';
import { watchStateHint, watchStateText, isCluster, rightText, whereText } from './words';

export interface IPlacesProps {
  /** The chosen one first. */
  backends: readonly BackendInfo[];
  trans: TranslationBundle;
}

/** Where jobs run, and why there. */
export const Places = ({ backends, trans }: IPlacesProps): JSX.Element =>
  backends.length === 0 ? (
    <p className="mlk-Places-none">{trans.__('Asking the server.')}</p>
  ) : (
    <ul>
      {backends.map(backend => (
        <Place key={backend.name} backend={backend} trans={trans} />
      ))}
    </ul>
  );

/** "gpu-prod and 1 more · Live"; empty while not known. */
export function placesText(backends: readonly BackendInfo[], trans: TranslationBundle): string {
  const chosen = backends.at(0);
  if (!chosen) {
    return '';
  }
  const name =
    backends.length === 1
      ? chosen.title
      : trans._n('%2 and %1 more', '%2 and %1 more', backends.length - 1, chosen.title);
  return isCluster(chosen) ? `${name} · ${watchStateText(chosen.watch, trans)}` : name;
}

export interface IPlacesNoticeProps extends IPlacesProps {
  /** What is left of jobs that are gone; null when not known. */
  orphans: readonly Orphan[] | null;
  onRemoveOrphans: () => void;
}

/** What is wrong with a cluster, and what is left in one. */
export const PlacesNotice = (props: IPlacesNoticeProps): JSX.Element => {
  const { backends, orphans, trans } = props;
  const troubled = backends.filter(
    ({ kind, watch }) => kind === 'kubernetes' && (watch === 'reconnecting' || watch === 'refused')
  );
  return (
    <>
      <div role="status">
        {troubled.map(backend => (
          <p key={backend.name} data-link={backend.watch}>
            <strong>
              {trans.__('%1: %2', backend.title, watchStateText(backend.watch, trans))}
            </strong>{' '}
            {backend.watch_why ?? watchStateHint(backend.watch, trans)}
          </p>
        ))}
      </div>
      {orphans && orphans.length > 0 && (
        <p className="mlk-PlacesNotice-orphans">
          <span>
            {trans._n(
              '%1 object is left in a cluster, whose job is gone.',
              '%1 objects are left in clusters, whose jobs are gone.',
              orphans.length
            )}
          </span>
          <button type="button" className="mlk-Button" onClick={props.onRemoveOrphans}>
            {trans.__('Remove…')}
          </button>
        </p>
      )}
    </>
  );
};

interface IPlaceProps {
  backend: BackendInfo;
  trans: TranslationBundle;
}

const Place = ({ backend, trans }: IPlaceProps): JSX.Element => {
  const where = whereText(backend, trans);
  return (
    <li>
      <div className="mlk-Places-title">
        <strong>{backend.title}</strong>
        <WatchStateLine backend={backend} trans={trans} />
      </div>
      {where && <div className="mlk-Places-where">{where}</div>}
      <div>{backend.why}</div>
      {backend.rights
        .filter(({ allowed }) => allowed === false)
        .map(right => (
          <div key={right.code} className="mlk-Places-right">
            {rightText(right, backend, trans)}
          </div>
        ))}
    </li>
  );
};

/** How fresh what is known of a cluster is: dot and word. Nothing for this machine. */
export const WatchStateLine = ({ backend, trans }: IPlaceProps): JSX.Element | null =>
  isCluster(backend) ? (
    <span
      className="mlk-LinkState"
      data-link={backend.watch}
      title={backend.watch_why ?? watchStateHint(backend.watch, trans)}
    >
      {watchStateText(backend.watch, trans)}
    </span>
  ) : null;
