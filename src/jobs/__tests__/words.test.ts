import { expect, test } from 'vitest';

import { job, trans } from '../../__tests__/fakes';
import { progressText } from '../words';

test('a job that is over has no time to go', () => {
  const progress = { ...job('a').progress, cells_total: 12, cell: 7, text: null, eta_s: 120 };
  expect(progressText(progress, trans)).toBe('cell 7 of 12 · ~2 min');
  expect(progressText(progress, trans, true)).toBe('cell 7 of 12');
});
