import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Widget } from '@lumino/widgets';

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
