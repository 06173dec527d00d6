import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { useLayoutEffect, useRef } from 'react';

import type { Stopped } from '../api';
import { bytes, exactTime, IconButton, RelativeTime, useNow } from '../components';

/** How many names are shown before the rest is folded. */
const FIRST = 10;
const TICK_MS = 60_000;

export interface IStoppedNoticeProps {
  stopped: Stopped;
  /** A kernel runs again: it knows nothing of what the one before knew. */
  hasKernel: boolean;
  onRestart: () => void;
  onRunAll: () => void;
  onOpenJob: (id: string) => void;
  onDismiss: () => void;
  /** Is told its height in pixels, now and when it changes. */
  onHeight: (height: number) => void;
  trans: TranslationBundle;
}

/** Says on a notebook that its kernel was stopped: when, why, what is lost, and how to have it again. */
export const StoppedNotice = (props: IStoppedNoticeProps): JSX.Element => {
  const { stopped, hasKernel, onRestart, onRunAll, onOpenJob, onDismiss, onHeight, trans } = props;
  const now = useNow(TICK_MS);
  const root = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const section = root.current!;
    const measure = (): void => onHeight(section.offsetHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(section);
    measure();
    return () => observer.disconnect();
  }, [onHeight]);
  const asked = stopped.kind === 'asked';
  return (
    <section
      ref={root}
      className="mlk-StoppedNotice"
      aria-label={trans.__('The kernel was stopped')}
    >
      <div className="mlk-StoppedNotice-line">
        <p role="status">
          <strong>
            {asked ? trans.__('The kernel was stopped') : trans.__('The idle kernel was stopped')}
          </strong>{' '}
          <RelativeTime at={stopped.at} now={now} trans={trans} />
          {` (${exactTime(stopped.at)}): ${stopped.words}. `}
          {hasKernel
            ? trans.__('A new kernel runs now, without the variables of the one before.')
            : trans.__('The notebook and its outputs are as they were.')}
        </p>
        <div className="mlk-StoppedNotice-actions">
          {!hasKernel && (
            <button type="button" className="mlk-Button" onClick={onRestart}>
              {trans.__('Restart kernel')}
            </button>
          )}
          <button type="button" className="mlk-Button" onClick={onRunAll}>
            {trans.__('Run all cells')}
          </button>
          <IconButton
            icon={closeIcon}
            label={trans.__('Take away this notice')}
            onClick={onDismiss}
          />
        </div>
      </div>
      <Memory stopped={stopped} trans={trans} />
      {stopped.jobs.length > 0 && (
        <p>
          {trans._n('Its job goes on:', 'Its jobs go on:', stopped.jobs.length)}
          {stopped.jobs.map(id => (
            <button
              key={id}
              type="button"
              className="mlk-StoppedNotice-job"
              onClick={() => onOpenJob(id)}
            >
              {id}
            </button>
          ))}
        </p>
      )}
      {stopped.ended.length > 0 && (
        <p>{trans.__('Ended as well, as they held a GPU: %1', stopped.ended.join(', '))}</p>
      )}
    </section>
  );
};

interface IMemoryProps {
  stopped: Stopped;
  trans: TranslationBundle;
}

/** Names and sizes of what was in memory. */
const Memory = ({ stopped, trans }: IMemoryProps): JSX.Element => {
  const { held, held_more: more, why_no_list: why } = stopped;
  if (held === null) {
    return (
      <p>
        {why
          ? trans.__('What was in its memory is not known: %1.', why)
          : trans.__('What was in its memory is not known.')}
      </p>
    );
  }
  if (held.length === 0) {
    return <p>{trans.__('No variables were in its memory.')}</p>;
  }
  const count = held.length + more;
  return (
    <details>
      <summary>
        {trans._n('%1 variable was in its memory', '%1 variables were in its memory', count)}
        {`: ${held
          .slice(0, 3)
          .map(({ name }) => name)
          .join(', ')}${count > 3 ? ', …' : ''}`}
      </summary>
      <table>
        <thead>
          <tr>
            {[trans.__('Name'), trans.__('Type'), trans.__('Size')].map(head => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {held.slice(0, FIRST).map(({ name, type, bytes: size, shape, device }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{[type, shape, device].filter(Boolean).join(' ')}</td>
              <td>{size === null ? trans.__('unknown') : bytes(size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {count > FIRST && (
        <p>
          {trans.__('and %1 more', count - Math.min(held.length, FIRST))}
          {held.length > FIRST &&
            `: ${held
              .slice(FIRST)
              .map(({ name }) => name)
              .join(', ')}`}
        </p>
      )}
    </details>
  );
};
