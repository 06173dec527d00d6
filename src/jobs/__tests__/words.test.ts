import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import { progressText } from '../words';

const trans = nullTranslator.load('mlk_jupyter');
const progress = {
  cells_done: 6,
  cells_total: 12,
  cell: 7,
  fraction: 0.5,
  text: null,
  eta_s: 120
};

test('a job that is over has no time to go', () => {
  expect(progressText(progress, trans)).toBe('cell 7 of 12 · ~2 min');
  expect(progressText(progress, trans, true)).toBe('cell 7 of 12');
});
