import { expect, test } from 'vitest';

import { job, trans } from '../../__tests__/fakes';
import { progressText, reasonText, showsProgress } from '../words';

test('a job that is over has no time to go', () => {
  const progress = { ...job('a').progress, cells_total: 12, cell: 7, text: null, eta_s: 120 };
  expect(progressText(progress, trans)).toBe('cell 7 of 12 · ~2 min');
  expect(progressText(progress, trans, true)).toBe('cell 7 of 12');
});

test('of a running job its bar is shown, unless something is amiss', () => {
  const silent = 'The node node1 of rank 0 has not answered for 45 s.';
  const running = (code: string, text: string) => ({
    ...job('a', { phase: 'Running' }),
    reason: { code, text, hint: null }
  });
  expect(reasonText(running('node_silent', silent))).toBe(silent);
  expect(showsProgress(running('node_silent', silent))).toBe(false);
  for (const code of ['running', 'reading_logs']) {
    expect(reasonText(running(code, 'All is well.'))).toBe(null);
    expect(showsProgress(running(code, 'All is well.'))).toBe(true);
  }
});
