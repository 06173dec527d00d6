import type * as nbformat from '@jupyterlab/nbformat';

/** What a widget's view in an output names, and what a notebook's metadata holds of all. */
export const VIEW = 'application/vnd.jupyter.widget-view+json';
export const STATE = 'application/vnd.jupyter.widget-state+json';

export type State = Readonly<Record<string, unknown>>;

/** Characters of state that are kept; the server bounds what a snapshot holds. */
const MOST = 64 * 1024 * 1024;
/** What one widget counts for beside its state. */
const WIDGET_COST = 1024;

interface IWidget {
  state: Record<string, unknown>;
  readonly buffers: Map<string, string>;
  /** Characters that each part of it takes. */
  readonly costs: Map<string, number>;
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

  /** Lays what is new over what is known, as far as there is room. Gives whether anything was. */
  apply(id: unknown, state: unknown, buffers: unknown): boolean {
    if (typeof id !== 'string' || !isObject(state)) {
      return false;
    }
    const known = this._widgets.get(id);
    if (!known && !this._takes(WIDGET_COST)) {
      return false;
    }
    const widget: IWidget = known ?? { state: {}, buffers: new Map(), costs: new Map() };
    this._widgets.set(id, widget);
    const taken = Object.entries(state).filter(([name, value]) =>
      this._replaces(widget, `state ${name}`, value)
    );
    widget.state = { ...widget.state, ...Object.fromEntries(taken) };
    let isNew = !known || taken.length > 0;
    for (const buffer of Array.isArray(buffers) ? (buffers as unknown[]) : []) {
      if (isObject(buffer) && typeof buffer.data === 'string') {
        const path = JSON.stringify(buffer.path);
        if (this._replaces(widget, `buffer ${path}`, buffer.data)) {
          widget.buffers.set(path, buffer.data);
          isNew = true;
        }
      }
    }
    return isNew;
  }

  /** Whether there is room for a part of a widget in place of what it was. */
  private _replaces({ costs }: IWidget, part: string, value: unknown): boolean {
    const cost = JSON.stringify([part, value]).length;
    const isTaken = this._takes(cost - (costs.get(part) ?? 0));
    if (isTaken) {
      costs.set(part, cost);
    }
    return isTaken;
  }

  private _takes(cost: number): boolean {
    if (cost > 0 && this._size + cost > MOST) {
      return false;
    }
    this._size += cost;
    return true;
  }

  private readonly _widgets = new Map<string, IWidget>();
  private _size = 0;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
