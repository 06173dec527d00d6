import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

/** The job that a command is about: named in its arguments, else the row that the context menu is open on. */
export function meantJob(
  app: JupyterFrontEnd,
  args: ReadonlyPartialJSONObject
): string | undefined {
  return typeof args.id === 'string'
    ? args.id
    : app.contextMenuHitTest(node => node.dataset.job !== undefined)?.dataset.job;
}
