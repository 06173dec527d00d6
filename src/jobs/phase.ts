import type { TranslationBundle } from '@jupyterlab/translation';

import type { Phase } from '../api';

/** Whether a phase never changes again. */
export function isFinal(phase: Phase): boolean {
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Stopped';
}

/** Whether it makes sense to ask for a stop. */
export function canStop(phase: Phase): boolean {
  return !isFinal(phase) && phase !== 'Stopping';
}

export function phaseWord(phase: Phase, trans: TranslationBundle): string {
  switch (phase) {
    case 'Queued':
      return trans.__('Queued');
    case 'Starting':
      return trans.__('Starting');
    case 'Running':
      return trans.__('Running');
    case 'Stopping':
      return trans.__('Stopping');
    case 'Suspended':
      return trans.__('Suspended');
    case 'Succeeded':
      return trans.__('Succeeded');
    case 'Failed':
      return trans.__('Failed');
    case 'Stopped':
      return trans.__('Stopped');
  }
}
