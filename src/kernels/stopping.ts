import type { TranslationBundle } from '@jupyterlab/translation';

import type { KernelState } from '../api';
import { isAtWork, leaseText, stateText } from './words';

/** What the end of a kernel takes away, and what it leaves. */
export function stopText(kernel: KernelState, now: number, trans: TranslationBundle): string {
  return [
    trans.__('Now: %1.', stateText({ ...kernel, stops_at: null }, now, trans)),
    kernel.lease && trans.__('It is %1.', leaseText(kernel, now, trans)),
    isAtWork(kernel)
      ? trans.__(
          'Everything in its memory is lost: variables, models, and what the running cell has done so far.'
        )
      : trans.__('Everything in its memory is lost: variables, data and models.'),
    kernel.jobs.length > 0
      ? trans._n('Its job goes on.', 'Its %1 jobs go on.', kernel.jobs.length)
      : null,
    trans.__('The notebook and files stay.')
  ]
    .filter(Boolean)
    .join(' ');
}
