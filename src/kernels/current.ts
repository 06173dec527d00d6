import type { ISessionContext } from '@jupyterlab/apputils';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Widget } from '@lumino/widgets';

/** What notebooks and consoles have, and nobody else needs to be named here. */
interface IWithSession {
  /** Of documents. */
  readonly context?: { readonly sessionContext?: ISessionContext };
  /** Of consoles. */
  readonly sessionContext?: ISessionContext;
}

/** The kernel of a notebook or a console; null for other widgets, and where none runs. */
export function kernelOf(widget: Widget | null): string | null {
  const { context, sessionContext } = (widget ?? {}) as IWithSession;
  return (context?.sessionContext ?? sessionContext)?.session?.kernel?.id ?? null;
}

/** The kernel of the notebook or console that a node belongs to; null for other places. */
export function kernelAt(node: Node, shell: JupyterFrontEnd.IShell): string | null {
  for (const widget of shell.widgets('main')) {
    if (widget.node.contains(node)) {
      return kernelOf(widget);
    }
  }
  return null;
}
