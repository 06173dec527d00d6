import type { TranslationBundle } from '@jupyterlab/translation';

import type { GpuHolder } from '../api';
import { holderText, unusedText } from './words';

/** What can be done with GPUs, and with who holds them. */
export interface IGpuActions {
  /** Opens a job's tab or a kernel's notebook. */
  open(holder: GpuHolder): void;
  /** Asks first. */
  stop(holder: GpuHolder): void;
  /** Keeps a kernel from being stopped for a while. */
  keep(holder: GpuHolder): void;
  dismiss(advice: string): void;
  restore(advice: string): void;
  openJob(id: string): void;
  showKernel(id: string): void;
}

export interface IHoldersProps {
  holders: readonly GpuHolder[];
  label: string;
  currency: string;
  /** Seconds since the epoch. */
  now: number;
  actions: IGpuActions;
  /** Whether one's own can be opened, stopped and kept here. */
  hasActions?: boolean;
  trans: TranslationBundle;
}

/** Who holds GPUs: what, for how long, and whether they do anything. */
export const Holders = (props: IHoldersProps): JSX.Element => {
  const { holders, label, currency, now, actions, hasActions = false, trans } = props;
  return (
    <ul role="list" className="mlk-Holders" aria-label={label}>
      {holders.map(holder => {
        const { kind, id, resource, name, user, is_mine: isMine } = holder;
        const unused = unusedText(holder, now, trans);
        const isOurs = kind === 'job' || kind === 'kernel';
        return (
          <li
            key={`${kind} ${id} ${resource}`}
            className="mlk-Holder"
            data-unused={unused !== null}
          >
            {isMine && isOurs ? (
              <button
                type="button"
                className="mlk-RowName"
                title={trans.__('Open %1', name)}
                onClick={() => actions.open(holder)}
              >
                {name}
              </button>
            ) : (
              <span className="mlk-RowName">{name}</span>
            )}{' '}
            <span className="mlk-Holder-kind">
              {kindWord(kind, trans)}
              {!isMine && user && ` · ${user}`}
            </span>
            <div className="mlk-Holder-facts">{holderText(holder, currency, now, trans)}</div>
            {unused && <div className="mlk-Holder-unused">{unused}</div>}
            {hasActions && isMine && isOurs && (
              <div className="mlk-Holder-actions">
                <button
                  type="button"
                  className="mlk-Button"
                  aria-label={trans.__('Stop %1', name)}
                  onClick={() => actions.stop(holder)}
                >
                  {trans.__('Stop')}
                </button>
                <button
                  type="button"
                  className="mlk-Button"
                  aria-label={trans.__('Open %1', name)}
                  onClick={() => actions.open(holder)}
                >
                  {trans.__('Open')}
                </button>
                {kind === 'kernel' && (
                  <button
                    type="button"
                    className="mlk-Button"
                    aria-label={trans.__('Keep %1', name)}
                    title={trans.__('Do not stop the kernel for a while, whatever it does')}
                    onClick={() => actions.keep(holder)}
                  >
                    {trans.__('Keep')}
                  </button>
                )}
              </div>
            )}
          </li>
        );
      })}
    </ul>
  );
};

function kindWord(kind: GpuHolder['kind'], trans: TranslationBundle): string {
  switch (kind) {
    case 'job':
      return trans.__('job');
    case 'kernel':
      return trans.__('kernel');
    case 'pod':
      return trans.__('pod');
    case 'process':
      return trans.__('process');
  }
}
