import type { TranslationBundle } from '@jupyterlab/translation';

import type { Attempt } from '../api';
import { exactTime, took } from '../components';
import { UNKNOWN } from './words';

export interface IAttemptsProps {
  attempts: readonly Attempt[];
  trans: TranslationBundle;
}

/** Earlier starts of all ranks, and why each ended. */
export const Attempts = ({ attempts, trans }: IAttemptsProps): JSX.Element => (
  <table className="mlk-Ranks">
    <thead>
      <tr>
        <th scope="col" className="mlk-mod-figure">
          {trans.__('Attempt')}
        </th>
        <th scope="col">{trans.__('Started')}</th>
        <th scope="col">{trans.__('Took')}</th>
        <th scope="col" className="mlk-mod-wide">
          {trans.__('Why it ended')}
        </th>
      </tr>
    </thead>
    <tbody>
      {attempts.map(({ number, started_at: start, ended_at: end, reason }) => (
        <tr key={number}>
          <td className="mlk-mod-figure">{number}</td>
          <td>{start === null ? UNKNOWN : exactTime(start)}</td>
          <td>{start === null || end === null ? UNKNOWN : took(end - start, trans)}</td>
          <td className="mlk-Attempts-why">
            {reason.text} {reason.hint && <span className="mlk-Overview-hint">{reason.hint}</span>}
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);
