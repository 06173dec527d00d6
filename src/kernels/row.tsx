import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownIcon } from '@jupyterlab/ui-components';
import { memo } from 'react';

import type { KernelState } from '../api';
import { left, nameOf, pathOf } from './words';

/** What can be done with a kernel. */
export interface IKernelActions {
  /** Opens its notebook or console. */
  open(path: string): void;
  keep(id: string, seconds: number): void;
  /** Offers other times to keep it for, below the button. */
  chooseTime(id: string, button: HTMLElement): void;
  release(id: string): void;
  /** Asks first. */
  stop(id: string): void;
  explain(id: string): void;
  /** Takes the notice of a stopped one away. */
  dismiss(id: string): void;
}

export interface IKernelRowProps {
  kernel: KernelState;
  /** What it does, holds, and when it ends. */
  state: string;
  /** Until when it is kept; null: it is not. */
  kept: string | null;
  /** CPU, GPU and cost. */
  usage: string;
  /** What the button keeps it for, in seconds. */
  keepTime: number;
  actions: IKernelActions;
  trans: TranslationBundle;
}

/** One kernel: its name, its state in words, what it uses, and what can be done. */
export const KernelRow = memo((props: IKernelRowProps): JSX.Element => {
  const { kernel, state, kept, usage, keepTime, actions, trans } = props;
  const { id } = kernel;
  const path = pathOf(kernel);
  const name = nameOf(kernel);
  const canKeep = !['stopping', 'failed', 'dead'].includes(kernel.state);
  const keepLabel = trans.__('Keep %1', left(keepTime, trans));
  return (
    <li
      className="mlk-KernelRow"
      data-kernel={id}
      data-state={kernel.state}
      data-kind={kernel.kind}
    >
      {path ? (
        <button
          type="button"
          className="mlk-RowName mlk-KernelRow-name"
          title={trans.__('Open %1', path)}
          onClick={() => actions.open(path)}
        >
          {name}
        </button>
      ) : (
        <span
          className="mlk-RowName mlk-KernelRow-name"
          title={trans.__('Of no notebook that is open')}
        >
          {name}
        </span>
      )}
      <div className="mlk-KernelRow-state">{state}</div>
      {kept && (
        <div className="mlk-KernelRow-kept">
          <span>{kept}</span>{' '}
          <button
            type="button"
            className="mlk-TextButton"
            aria-label={trans.__('Release %1', name)}
            onClick={() => actions.release(id)}
          >
            {trans.__('Release')}
          </button>
        </div>
      )}
      <div className="mlk-KernelRow-usage" title={trans.__('CPU in percent of one core')}>
        {usage}
      </div>
      <div className="mlk-KernelRow-actions">
        {canKeep && (
          <span className="mlk-KernelRow-keep">
            <button
              type="button"
              className="mlk-Button"
              aria-label={trans.__('%1: %2', keepLabel, name)}
              onClick={() => actions.keep(id, keepTime)}
            >
              {keepLabel}
            </button>
            <button
              type="button"
              className="mlk-Button"
              aria-haspopup="menu"
              aria-label={trans.__('Keep for another time: %1', name)}
              title={trans.__('Keep for another time')}
              onClick={event => actions.chooseTime(id, event.currentTarget)}
            >
              <caretDownIcon.react tag="span" width="14px" height="14px" />
            </button>
          </span>
        )}
        {kernel.state !== 'stopping' && (
          <button
            type="button"
            className="mlk-Button"
            aria-label={trans.__('Stop now: %1', name)}
            onClick={() => actions.stop(id)}
          >
            {trans.__('Stop now')}
          </button>
        )}
        <button
          type="button"
          className="mlk-Button"
          aria-label={trans.__('Why: %1', name)}
          onClick={() => actions.explain(id)}
        >
          {trans.__('Why')}
        </button>
      </div>
    </li>
  );
});
KernelRow.displayName = 'KernelRow';
