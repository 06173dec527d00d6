import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt } from '@lumino/coreutils';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';

import type { JobSpec } from '../api';
import { toOptions } from './values';

/** The key of our part of a notebook's metadata. */
const METADATA = 'mlk';

/** Whether a file can run as a job. */
export function canRun(path: string): boolean {
  return /\.(ipynb|py)$/i.test(path);
}

/** The open document of a path, or of a widget. */
export function contextOf(
  documents: IDocumentManager,
  from: string | Widget | null
): DocumentRegistry.Context | undefined {
  const widget = typeof from === 'string' ? documents.findWidget(from, null) : from;
  return widget ? documents.contextForWidget(widget) : undefined;
}

/** Writes what was typed to disk: a job runs what is there. */
export async function save(context: DocumentRegistry.Context | undefined): Promise<void> {
  if (context?.model.dirty && !context.model.readOnly) {
    await context.save();
  }
}

/** Keeps the values in the notebook for the next time. */
export async function remember(
  context: DocumentRegistry.Context | undefined,
  spec: JobSpec
): Promise<void> {
  if (!context || !context.path.endsWith('.ipynb') || context.model.readOnly) {
    return;
  }
  const model = context.model as unknown as INotebookModel;
  const before = model.getMetadata(METADATA) as
    Record<string, ReadonlyPartialJSONValue> | undefined;
  const options = toOptions(spec) as ReadonlyPartialJSONValue;
  if (!JSONExt.deepEqual(before?.options ?? null, options)) {
    model.setMetadata(METADATA, { ...before, options });
    await context.save();
  }
}
