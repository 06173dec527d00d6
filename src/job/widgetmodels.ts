import type * as nbformat from '@jupyterlab/nbformat';

/** What a widget's view in an output names, and what a notebook's metadata holds of all. */
export const VIEW = 'application/vnd.jupyter.widget-view+json';
export const STATE = 'application/vnd.jupyter.widget-state+json';

export type State = Readonly<Record<string, unknown>>;

/** Characters of state that are kept; the server bounds what a snapshot holds. */
const MOST = 64 * 1024 * 1024;

interface IWidget {
  state: Record<string, unknown>;
  readonly buffers: Map<string, string>;
}

/** The state of a job's widgets, as its frames tell of it. Never throws, whatever it is fed. */
export class WidgetModels {
  constructor(metadata: nbformat.INotebookMetadata) {
    const held = (metadata.widgets as Record<string, { state?: unknown }> | undefined)?.[STATE];
    for (const [id, model] of Object.entries(isObject(held?.state) ? held.state : {})) {
      if (isObject(model)) {
        this.apply(id, model.state, model.buffers);
      }
    }
  }

  /** The state of one widget; null where nothing is known of it. */
  state(id: string): State | null {
    return this._widgets.get(id)?.state ?? null;
  }

  /** Bytes that belong into a widget's state under a name, in base64; null where there are none. */
  buffer(id: string, name: string): string | null {
    return this._widgets.get(id)?.buffers.get(JSON.stringify([name])) ?? null;
  }

  /** Lays what is new over what is known. Gives whether anything was. */
  apply(id: unknown, state: unknown, buffers: unknown): boolean {
    if (typeof id !== 'string' || !isObject(state)) {
      return false;
    }
    this._size += JSON.stringify([state, buffers]).length;
    if (this._size > MOST) {
      return false;
    }
    const widget = this._widgets.get(id) ?? { state: {}, buffers: new Map<string, string>() };
    this._widgets.set(id, widget);
    widget.state = { ...widget.state, ...state };
    for (const buffer of Array.isArray(buffers) ? (buffers as unknown[]) : []) {
      if (isObject(buffer) && typeof buffer.data === 'string') {
        widget.buffers.set(JSON.stringify(buffer.path), buffer.data);
      }
    }
    return true;
  }

  private readonly _widgets = new Map<string, IWidget>();
  private _size = 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
