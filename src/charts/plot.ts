import type { TranslationBundle } from '@jupyterlab/translation';
import uPlot from 'uplot';

import { COLOURS, tableOf } from './lines';
import type { ILine, ILook } from './lines';
import type { Axis } from './thin';
import { STEP_INCREMENTS, TIME_INCREMENTS, timeTick, valueTick } from './ticks';

const HEIGHT_PX = 210;
/** Characters of a title at an axis. */
const LONGEST_TITLE = 28;

export interface IPlotOptions {
  /** What the values are. */
  readonly title: string;
  readonly lines: readonly ILine[];
  readonly axis: Axis;
  readonly look: ILook;
  readonly trans: TranslationBundle;
  /** Where the pointer is, and what each line has there; null when it is nowhere. */
  readonly onPointer: (place: IPlace | null) => void;
}

export interface IPlace {
  readonly x: number;
  /** For each line, in their order; null where it has none. */
  readonly values: readonly (number | null)[];
}

/** uPlot in one element, as wide as it; redrawn at most once a frame. */
export class Plot {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _options: IPlotOptions
  ) {
    const { axis, look, lines } = _options;
    this._lines = lines;
    this._plot = new uPlot(settings(_host, _options), tableOf(lines, axis, look), _host);
    this._observer = new ResizeObserver(() => this._schedule());
    this._observer.observe(_host);
  }

  /** Draws the same lines with the points that they have now. */
  show(lines: readonly ILine[]): void {
    this._lines = lines;
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
      const { axis, look } = this._options;
      const zoom = zoomOf(this._plot);
      this._plot.setData(tableOf(this._lines, axis, look), zoom === null);
      if (zoom) {
        this._plot.setScale('x', zoom); // draws, and has y fit what is in sight
      }
    });
  }

  private readonly _plot: uPlot;
  private readonly _observer: ResizeObserver;
  private _lines: readonly ILine[];
  private _frame = 0;
}

/** The stretch that a person has dragged out to see; null while all is in sight. A double click ends it. */
function zoomOf({ data: [xs], scales: { x } }: uPlot): { min: number; max: number } | null {
  const { min, max } = x;
  return typeof min === 'number' &&
    typeof max === 'number' &&
    (min > xs[0] || max < xs[xs.length - 1])
    ? { min, max }
    : null;
}

function settings(host: HTMLElement, options: IPlotOptions): uPlot.Options {
  const { title, lines, axis, look, trans, onPointer } = options;
  const style = getComputedStyle(host);
  const colour = (property: string) => style.getPropertyValue(property).trim();
  const text = colour('--jp-ui-font-color2');
  const grid = { stroke: colour('--jp-border-color2'), width: 1 };
  const font = `11px ${colour('--jp-ui-font-family') || 'sans-serif'}`;
  const common = { stroke: text, grid, ticks: grid, font, labelFont: font, labelSize: 18 };
  const strokes = lines.map(line => colour(`--mlk-line-${line.colour % COLOURS}`));
  const drawn = strokes.map((stroke): uPlot.Series => {
    const points = { size: 5, fill: stroke, show: (plot: uPlot) => plot.data[0].length < 40 };
    return { stroke, width: 1.5, spanGaps: false, points };
  });
  const behind = strokes.map((stroke): uPlot.Series => ({
    stroke,
    width: 1,
    alpha: 0.3,
    spanGaps: false,
    points: { show: false }
  }));
  return {
    width: Math.max(host.clientWidth, 100),
    height: HEIGHT_PX,
    scales: { x: { time: false }, y: { distr: look.log ? 3 : 1 } },
    axes: [
      {
        ...common,
        size: 30,
        label: axis === 'step' ? trans.__('step') : trans.__('time since the start'),
        incrs: axis === 'step' ? STEP_INCREMENTS : TIME_INCREMENTS,
        values: (_, splits) =>
          splits.map(value =>
            axis === 'step' ? valueTick(value, splits, trans) : timeTick(value, trans)
          )
      },
      {
        ...common,
        size: 62,
        label: title.length > LONGEST_TITLE ? `${title.slice(0, LONGEST_TITLE - 1)}…` : title,
        values: (_, splits) => splits.map(value => valueTick(value, splits, trans))
      }
    ],
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    legend: { show: false },
    hooks: {
      setCursor: [
        ({ data, cursor: { idx } }) => {
          if (typeof idx !== 'number') {
            onPointer(null);
            return;
          }
          const values = lines.map((_, index) => data[index + 1][idx] ?? null);
          onPointer({ x: data[0][idx], values });
        }
      ]
    },
    series: [{}, ...drawn, ...(look.smoothing > 0 ? behind : [])]
  };
}
