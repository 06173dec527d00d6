import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt } from '@lumino/coreutils';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';

import type { JobStatus } from '../api';
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

/** Keeps the values in the notebook for the next time, and where it ran. */
export async function remember(
  context: DocumentRegistry.Context | undefined,
  { spec, backend }: Pick<JobStatus, 'spec' | 'backend'>,
  isForCluster: boolean
): Promise<void> {
  if (!context || !context.path.endsWith('.ipynb') || context.model.readOnly) {
    return;
  }
  const before = remembered(context);
  const options = toOptions(spec, isForCluster, before?.options);
  const after = { ...before, options, backend } as ReadonlyPartialJSONObject;
  if (!JSONExt.deepEqual((before ?? null) as ReadonlyPartialJSONValue, after)) {
    (context.model as unknown as INotebookModel).setMetadata(METADATA, after);
    await context.save();
  }
}

/** Where it ran the last time. */
export function lastBackend(context: DocumentRegistry.Context | undefined): string | undefined {
  const backend = context && remembered(context)?.backend;
  return typeof backend === 'string' ? backend : undefined;
}

interface IRemembered {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly backend?: unknown;
}

function remembered(context: DocumentRegistry.Context): IRemembered | undefined {
  const model = context.model as Partial<INotebookModel>;
  return model.getMetadata?.(METADATA) as IRemembered | undefined;
}
