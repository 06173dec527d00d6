import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useRef, useState } from 'react';

import { duration, figure } from '../components';
import { axisOfAll, canBeLog, COLOURS, isSingle } from './lines';
import type { ILine, ILook } from './lines';
import { Plot } from './plot';
import type { IPlace } from './plot';
import { summarise } from './series';

export interface IChartProps {
  /** What the values are: the name of a metric, say. */
  title: string;
  /** At least one. */
  lines: readonly ILine[];
  look: ILook;
  /** Something to know of what is drawn. */
  note?: string | null;
  /** Changes with every new point: the same arrays may hold more. */
  version: number;
  /** Changes with the theme: colours are read anew. */
  theme: string;
  trans: TranslationBundle;
}

/** Curves to look at, and the same in words. What has one value only is told as a number. */
export function Chart(props: IChartProps): JSX.Element {
  const { title, lines, note, trans } = props;
  const [place, setPlace] = useState<IPlace | null>(null);
  const isOne = lines.length === 1;
  const single = isSingle(lines);
  const at = place && where(place, props);
  return (
    <figure className="mlk-Chart" data-single={single || undefined}>
      <figcaption className="mlk-Chart-caption">
        <span className="mlk-Chart-name" title={title}>
          {title}
        </span>
        {at && <span className="mlk-Chart-hover">{at}</span>}
        {isOne && (
          <span className="mlk-Chart-last">
            {figure(place ? place.values[0] : summarise(lines[0].points).last, trans)}
          </span>
        )}
      </figcaption>
      {!isOne && <Legend {...props} place={place} />}
      {!single && <Curves {...props} onPointer={setPlace} />}
      {isOne && !single && <p className="mlk-Chart-words">{words(lines[0], trans)}</p>}
      {note && <p className="mlk-Chart-words">{note}</p>}
    </figure>
  );
}

/** The lines by colour and name, each with its latest value, or that under the pointer. */
function Legend({ lines, place, trans }: IChartProps & { place: IPlace | null }): JSX.Element {
  return (
    <ul className="mlk-Chart-legend">
      {lines.map(({ key, label, colour, points }, index) => (
        <li key={key}>
          <span className="mlk-Chart-mark" data-colour={colour % COLOURS} aria-hidden="true" />
          <span className="mlk-Chart-label">{label}</span>
          <span className="mlk-Chart-last">
            {figure(place ? (place.values[index] ?? null) : summarise(points).last, trans)}
          </span>
        </li>
      ))}
    </ul>
  );
}

interface ICurvesProps extends IChartProps {
  onPointer: (place: IPlace | null) => void;
}

function Curves(props: ICurvesProps): JSX.Element {
  const { title, lines, look, version, theme, trans, onPointer } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const axis = axisOfAll(lines, look);
  const log = look.log && canBeLog(lines);
  const keys = lines.map(({ key, colour }) => `${key}:${colour}`).join('\n');
  useEffect(() => {
    const options = { title, lines, axis, look: { ...look, log }, trans, onPointer };
    const drawn = new Plot(host.current!, options);
    plot.current = drawn;
    return () => {
      plot.current = null;
      onPointer(null);
      drawn.dispose();
    };
  }, [title, keys, axis, log, look.smoothing, theme, trans]);
  useEffect(() => plot.current?.show(lines), [lines, version, keys, axis, log, look, theme, trans]);
  return (
    <div
      ref={host}
      className="mlk-Chart-plot"
      role="img"
      aria-label={trans.__(
        '%1: %2',
        title,
        lines
          .map(line => (lines.length > 1 ? `${line.label}: ` : '') + words(line, trans))
          .join('; ')
      )}
    />
  );
}

function words({ points }: ILine, trans: TranslationBundle): string {
  const { last, min, max, count } = summarise(points);
  return min === null
    ? trans._n('%1 point, not a number', '%1 points, none of them a number', count)
    : trans._n(
        'last %2, lowest %3, highest %4, %1 point',
        'last %2, lowest %3, highest %4, %1 points',
        count,
        figure(last, trans),
        figure(min, trans),
        figure(max, trans)
      );
}

/** "step 12", or how long after the start. */
function where({ x }: IPlace, { lines, look, trans }: IChartProps): string {
  return axisOfAll(lines, look) === 'step'
    ? trans.__('step %1', x)
    : trans.__('after %1', duration(x, trans));
}
