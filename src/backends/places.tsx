import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo, Orphan } from '../api';
import { clusterLinkHint, clusterLinkText, isCluster, rightText, whereText } from './words';

export interface IPlacesProps {
  /** The chosen one first. */
  backends: readonly BackendInfo[];
  /** What is left of jobs that are gone; null when not known. */
  orphans: readonly Orphan[] | null;
  onRemoveOrphans: () => void;
  trans: TranslationBundle;
}

/** Where jobs run and why there; what is wrong with a cluster is seen without unfolding. */
export const Places = (props: IPlacesProps): JSX.Element | null => {
  const { backends, orphans, trans } = props;
  const chosen = backends.at(0);
  if (!chosen) {
    return null;
  }
  const troubled = backends.filter(
    ({ kind, link }) => kind === 'kubernetes' && (link === 'reconnecting' || link === 'refused')
  );
  return (
    <div className="mlk-Places">
      <details>
        <summary>
          <span>{trans.__('Jobs run on')}</span> <strong>{chosen.title}</strong>
          {backends.length > 1 && (
            <span className="mlk-Places-more">
              {' '}
              {trans._n('and %1 more', 'and %1 more', backends.length - 1)}
            </span>
          )}
          <ClusterLinkState backend={chosen} trans={trans} />
        </summary>
        <ul>
          {backends.map(backend => (
            <Place key={backend.name} backend={backend} trans={trans} />
          ))}
        </ul>
      </details>
      <div role="status">
        {troubled.map(backend => (
          <p key={backend.name} className="mlk-Places-trouble" data-link={backend.link}>
            <strong>
              {trans.__('%1: %2', backend.title, clusterLinkText(backend.link, trans))}
            </strong>{' '}
            {backend.link_why ?? clusterLinkHint(backend.link, trans)}
          </p>
        ))}
      </div>
      {orphans && orphans.length > 0 && (
        <p className="mlk-Places-orphans">
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
    </div>
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
        <ClusterLinkState backend={backend} trans={trans} />
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
export const ClusterLinkState = ({ backend, trans }: IPlaceProps): JSX.Element | null =>
  isCluster(backend) ? (
    <span
      className="mlk-LinkState"
      data-link={backend.link}
      title={backend.link_why ?? clusterLinkHint(backend.link, trans)}
    >
      {clusterLinkText(backend.link, trans)}
    </span>
  ) : null;
