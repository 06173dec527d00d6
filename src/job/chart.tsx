import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';

import { figure, language } from '../components';
import { axisOf, columnsOf, summarise } from './series';
import type { ISeries } from './series';
import type { Axis } from './thin';

const HEIGHT_PX = 160;

export interface IChartProps {
  series: ISeries;
  /** Changes with every new point: the same array may hold more. */
  version: number;
  /** Changes with the theme: colours are read anew. */
  theme: string;
  trans: TranslationBundle;
}

/** One metric: a curve to look at, and the same in words. */
export function Chart({ series, version, theme, trans }: IChartProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const hover = useRef<HTMLSpanElement>(null);
  const plot = useRef<Plot | null>(null);
  const axis = axisOf(series.points);
  useEffect(() => {
    const drawn = new Plot(host.current!, hover.current!, axis, trans);
    plot.current = drawn;
    return () => {
      plot.current = null;
      drawn.dispose();
    };
  }, [series.name, axis, theme, trans]);
  useEffect(() => plot.current?.show(series), [series, version, axis, theme, trans]);

  const { last, min, max, count } = summarise(series.points);
  const words =
    min === null
      ? trans._n('%1 point, not a number', '%1 points, none of them a number', count)
      : trans._n(
          'last %2, lowest %3, highest %4, %1 point',
          'last %2, lowest %3, highest %4, %1 points',
          count,
          figure(last, trans),
          figure(min, trans),
          figure(max, trans)
        );
  return (
    <figure className="mlk-Chart">
      <figcaption className="mlk-Chart-caption">
        <span className="mlk-Chart-name" title={series.name}>
          {series.name}
        </span>
        <span className="mlk-Chart-last">{figure(last, trans)}</span>
        <span ref={hover} className="mlk-Chart-hover" hidden />
      </figcaption>
      <div
        ref={host}
        className="mlk-Chart-plot"
        role="img"
        aria-label={trans.__('%1: %2', series.name, words)}
      />
      <p className="mlk-Chart-words">{words}</p>
    </figure>
  );
}

/** uPlot in one element, as wide as it; redrawn at most once a frame. */
class Plot {
  constructor(
    private readonly _host: HTMLElement,
    hover: HTMLElement,
    axis: Axis,
    trans: TranslationBundle
  ) {
    this._axis = axis;
    this._plot = new uPlot(options(_host, hover, axis, trans), [[], []], _host);
    this._observer = new ResizeObserver(() => this._schedule());
    this._observer.observe(_host);
  }

  show(series: ISeries): void {
    this._series = series;
    this._schedule();
  }

  dispose(): void {
    cancelAnimationFrame(this._frame);
    this._observer.disconnect();
    this._plot.destroy();
  }

  private _schedule(): void {
    cancelAnimationFrame(this._frame);
    this._frame = requestAnimationFrame(() => {
      // Hidden, or in the middle of a change of theme, the page has no width: a canvas of width 0 would stay.
      const width = this._host.clientWidth;
      if (width > 0 && width !== this._plot.width) {
        this._plot.setSize({ width, height: HEIGHT_PX });
      }
      if (this._series) {
        this._plot.setData(columnsOf(this._series.points, this._axis));
      }
    });
  }

  private readonly _axis: Axis;
  private readonly _plot: uPlot;
  private readonly _observer: ResizeObserver;
  private _series: ISeries | null = null;
  private _frame = 0;
}

function options(
  host: HTMLElement,
  hover: HTMLElement,
  axis: Axis,
  trans: TranslationBundle
): uPlot.Options {
  const style = getComputedStyle(host);
  const colour = (property: string) => style.getPropertyValue(property).trim();
  const line = colour('--jp-brand-color1');
  const text = colour('--jp-ui-font-color2');
  const grid = { stroke: colour('--jp-border-color2'), width: 1 };
  const font = `11px ${colour('--jp-ui-font-family') || 'sans-serif'}`;
  const lines = { stroke: text, grid, ticks: grid, font };
  return {
    width: Math.max(host.clientWidth, 100),
    height: HEIGHT_PX,
    scales: { x: { time: axis === 'time' } },
    axes: [
      { ...lines, size: 32 },
      { ...lines, size: 64, values: (_, splits) => splits.map(value => tick(value, splits, trans)) }
    ],
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    legend: { show: false },
    hooks: {
      setCursor: [
        ({ data, cursor: { idx } }) => {
          hover.hidden = typeof idx !== 'number';
          hover.textContent = typeof idx === 'number' ? valueAt(data, idx, axis, trans) : '';
        }
      ]
    },
    series: [
      {},
      {
        stroke: line,
        width: 1.5,
        spanGaps: false,
        points: { size: 5, fill: line, show: plot => plot.data[0].length < 40 }
      }
    ]
  };
}

/** A value at the axis; 0 between very small ones stays 0. */
function tick(value: number, all: readonly number[], trans: TranslationBundle): string {
  const span = Math.abs((all.at(-1) ?? 0) - (all.at(0) ?? 0));
  const isPlain = span >= 0.001 && Math.max(...all.map(Math.abs)) < 1e6;
  return isPlain
    ? value.toLocaleString(language(), { maximumFractionDigits: 4 })
    : figure(Math.abs(value) < span * 1e-9 ? 0 : value, trans);
}

/** "step 12: 0.953", or the time of day and the value. */
function valueAt(
  data: uPlot.AlignedData,
  index: number,
  axis: Axis,
  trans: TranslationBundle
): string {
  const x = data[0][index];
  const value = figure(data[1][index] ?? null, trans);
  return axis === 'step'
    ? trans.__('step %1: %2', x, value)
    : trans.__('%1: %2', new Date(x * 1000).toLocaleTimeString(), value);
}
