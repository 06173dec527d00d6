import type { TranslationBundle } from '@jupyterlab/translation';

import type { Orphan } from '../api';
import { RelativeTime, useNow } from '../components';

export interface IOrphansProps {
  orphans: readonly Orphan[];
  trans: TranslationBundle;
}

/** What is left in clusters of jobs that are gone, in full: it is about to be removed. */
export const Orphans = ({ orphans, trans }: IOrphansProps): JSX.Element => {
  const now = useNow(null);
  return (
    <div className="mlk-Orphans" tabIndex={0} role="region" aria-label={trans.__('What is left')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__('Kind')}</th>
            <th scope="col">{trans.__('Name')}</th>
            <th scope="col">{trans.__('Of the job')}</th>
            <th scope="col">{trans.__('Made')}</th>
          </tr>
        </thead>
        <tbody>
          {orphans.map(({ kind, name, job, created_at: at }) => (
            <tr key={`${kind} ${name}`}>
              <td>{kind}</td>
              <td>{name}</td>
              <td>{job}</td>
              <td>{at === null ? '–' : <RelativeTime at={at} now={now} trans={trans} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
};
