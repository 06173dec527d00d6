import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError } from '../api';

/** Runs an action; its failure becomes a toast with the reason and what to do. */
export async function told(
  failure: string,
  trans: TranslationBundle,
  action: () => Promise<void>
): Promise<void> {
  try {
    await action();
  } catch (reason) {
    const error = ApiError.from(reason, trans);
    Notification.error(`${failure}. ${error.detail} ${error.hint}`, { autoClose: false });
  }
}
