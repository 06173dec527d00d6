import { nullTranslator } from '@jupyterlab/translation';
import { expect, it, vi } from 'vitest';

import type { ILine } from '../lines';
import { PLAIN } from '../lines';
import { Plot } from '../plot';

/** What uPlot does with scales; its drawing needs a canvas. */
const plots = vi.hoisted(() => [] as { scales: { x: { min: number; max: number } } }[]);

vi.mock(import('uplot'), async original => {
  const { join } = (await original()).default;
  class Scales {
    static join = join;

    constructor(
      _: unknown,
      public data: number[][]
    ) {
      this.setData(data);
      plots.push(this);
    }

    setData(data: number[][], resets = true): void {
      this.data = data;
      if (resets) {
        this.scales.x = { min: data[0][0], max: data[0][data[0].length - 1] };
      }
    }

    setScale(key: 'x', range: { min: number; max: number }): void {
      this.scales[key] = range;
    }

    destroy(): void {}

    readonly scales = { x: { min: 0, max: 0 } };
  }
  return { default: Scales as never };
});

it('shows all points as they come, but stays where a person has zoomed in', async () => {
  const line = (count: number): ILine => ({
    key: '0',
    label: 'rank 0',
    colour: 0,
    origin: 0,
    points: Array.from({ length: count }, (_, step) => ({ at: step, step, value: step }))
  });
  const trans = nullTranslator.load('');
  const options = { title: 'loss', axis: 'step', look: PLAIN, trans, onPointer: vi.fn() } as const;
  const plot = new Plot(document.createElement('div'), { ...options, lines: [line(10)] });
  const [{ scales }] = plots;
  const draws = (count: number) => {
    plot.show([line(count)]);
    return new Promise(requestAnimationFrame);
  };
  await draws(20);
  expect(scales.x).toEqual({ min: 0, max: 19 });
  scales.x = { min: 4, max: 8 };
  await draws(30);
  expect(scales.x).toEqual({ min: 4, max: 8 });
  scales.x = { min: 0, max: 29 }; // a double click
  await draws(40);
  expect(scales.x).toEqual({ min: 0, max: 39 });
  plot.dispose();
});
