import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { MutableRefObject } from 'react';

import type { ErrorBody } from '../api';
import { Chart, isSingle, PLAIN } from '../charts';
import type { ILook } from '../charts';
import { ErrorBanner } from '../components';
import { drawingsOf } from './metricslines';
import type { IDrawing, IDrawnJob } from './metricslines';

export interface IMetricsProps {
  /** The job of the tab. */
  job: IDrawnJob;
  /** Jobs laid over it. */
  compared: readonly IDrawnJob[];
  /** Jobs that can be laid over it. */
  others: readonly { readonly id: string; readonly title: string }[];
  /** Whether the server has told what it knows. */
  isLoaded: boolean;
  /** Whether the job is over. */
  final: boolean;
  error: ErrorBody | null;
  version: number;
  theme: string;
  trans: TranslationBundle;
  onRetry: () => void;
  /** Lays another job over it. */
  onCompare: (id: string) => void;
  onForget: (id: string) => void;
}

/** From so many charts on there is a field to find some of them. */
const MANY = 6;
/** Jobs laid over the tab's own at most: there are no more colours. */
const MOST_COMPARED = 7;

/** One chart a metric, small multiples; what has one value only as a number above them. */
export function Metrics(props: IMetricsProps): JSX.Element {
  const { job, compared, error, version, theme, trans } = props;
  const [look, setLook] = useState<ILook>(PLAIN);
  const [query, setQuery] = useState('');
  const all = useMemo(() => drawingsOf([job, ...compared], trans), [job, compared, version, trans]);
  const shown = all.filter(({ name }) => name.toLowerCase().includes(query.toLowerCase()));
  const draw = ({ name, lines, note }: IDrawing) => (
    <Chart
      key={name}
      title={name}
      lines={lines}
      note={note}
      look={look}
      version={version}
      theme={theme}
      trans={trans}
    />
  );
  const numbers = shown.filter(({ lines }) => isSingle(lines));
  const curves = shown.filter(({ lines }) => !isSingle(lines));
  const root = useRef<HTMLDivElement>(null);
  const compare = useRef<HTMLSelectElement | null>(null);
  const takenOut = useRef(false);
  useEffect(() => {
    if (takenOut.current) {
      takenOut.current = false;
      // the button that was pressed is gone
      (compare.current ?? root.current?.closest<HTMLElement>('[role=tabpanel]'))?.focus();
    }
  }, [compared.length]);
  const forget = (id: string): void => {
    takenOut.current = true;
    props.onForget(id);
  };
  return (
    <div className="mlk-Metrics" ref={root}>
      {all.length > 0 && (
        <div className="mlk-Bar mlk-Metrics-bar" role="group" aria-label={trans.__('Charts')}>
          {all.length >= MANY && (
            <input
              type="search"
              className="mlk-Input"
              aria-label={trans.__('Find a metric')}
              placeholder={trans.__('Find a metric')}
              value={query}
              onChange={event => setQuery(event.target.value)}
            />
          )}
          {curves.length > 0 && <LookBar look={look} trans={trans} onLook={setLook} />}
          <span className="mlk-Bar-space" />
          <Compare {...props} select={compare} />
        </div>
      )}
      {compared.length > 0 && <Compared {...props} onForget={forget} />}
      {error && <ErrorBanner error={error} trans={trans} onRetry={props.onRetry} />}
      {shown.length === 0 && !error && (
        <p className="mlk-Metrics-none">
          {all.length > 0 ? trans.__('No metric of this name.') : none(props)}
        </p>
      )}
      {numbers.length > 0 && <div className="mlk-Metrics-numbers">{numbers.map(draw)}</div>}
      {curves.length > 0 && <div className="mlk-Metrics-charts">{curves.map(draw)}</div>}
    </div>
  );
}

interface ILookBarProps {
  look: ILook;
  trans: TranslationBundle;
  onLook: (look: ILook) => void;
}

function LookBar({ look, trans, onLook }: ILookBarProps): JSX.Element {
  return (
    <>
      <label className="mlk-Bar-label">
        {trans.__('By')}
        <HTMLSelect
          value={look.byTime ? 'time' : 'step'}
          onChange={event => onLook({ ...look, byTime: event.target.value === 'time' })}
        >
          <option value="step">{trans.__('step')}</option>
          <option value="time">{trans.__('time')}</option>
        </HTMLSelect>
      </label>
      <label className="mlk-Bar-label">
        <input
          type="checkbox"
          checked={look.log}
          onChange={event => onLook({ ...look, log: event.target.checked })}
        />
        {trans.__('Log scale')}
      </label>
      <label className="mlk-Bar-label">
        {trans.__('Smoothing')}
        <input
          type="range"
          min={0}
          max={0.98}
          step={0.02}
          value={look.smoothing}
          onChange={event => onLook({ ...look, smoothing: Number(event.target.value) })}
        />
        <output>{look.smoothing.toFixed(2)}</output>
      </label>
    </>
  );
}

interface ICompareProps extends IMetricsProps {
  select: MutableRefObject<HTMLSelectElement | null>;
}

function Compare(props: ICompareProps): JSX.Element | null {
  const { others, compared, trans, onCompare, select } = props;
  if (others.length === 0 || compared.length >= MOST_COMPARED) {
    return null;
  }
  return (
    <HTMLSelect
      elementRef={node => (select.current = node)}
      aria-label={trans.__('Lay another job over these')}
      value=""
      onChange={event => onCompare(event.target.value)}
    >
      <option value="">{trans.__('Compare with…')}</option>
      {others.map(({ id, title }) => (
        <option key={id} value={id}>
          {title}
        </option>
      ))}
    </HTMLSelect>
  );
}

function Compared({ job, compared, trans, onForget }: IMetricsProps): JSX.Element {
  return (
    <ul className="mlk-Metrics-compared" aria-label={trans.__('Jobs in these charts')}>
      {[job, ...compared].map(({ id, title, colour }) => (
        <li key={id}>
          <span className="mlk-Chart-mark" data-colour={colour} aria-hidden="true" />
          <span>{title}</span>
          {id !== job.id && (
            <button
              type="button"
              className="mlk-TextButton"
              aria-label={trans.__('Take %1 out', title)}
              onClick={() => onForget(id)}
            >
              {trans.__('Take out')}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function none({ isLoaded, final, trans }: IMetricsProps): string {
  if (!isLoaded) {
    return trans.__('Asking the server for the metrics.');
  }
  return final
    ? trans.__(
        'This job has logged no metrics. What a notebook logs with mlflow.log_metric() or mlk_jupyter.log_metric() is drawn here.'
      )
    : trans.__(
        'No metrics yet. What the notebook logs with mlflow.log_metric() or mlk_jupyter.log_metric() is drawn here as it comes.'
      );
}
