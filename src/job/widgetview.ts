import type { IRenderMime } from '@jupyterlab/rendermime';
import type { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { drawOutput, html } from './widgetoutputs';
import { isObject, VIEW } from './widgetmodels';
import type { State, WidgetModels } from './widgetmodels';

/** Widgets within widgets; more are not drawn, since a job may let them hold each other. */
const DEEPEST = 12;
const MOST_NODES = 1000;
const REFERENCE = 'IPY_MODEL_';
/** Stands for what somebody typed in secret, however long that is. */
const DOTS = '•'.repeat(8);
const IMAGES = ['png', 'jpeg', 'gif', 'webp', 'bmp'];

/** Where the views of a page find the state of widgets, and hear that some of it is new. */
export interface IWidgetSource {
  readonly models: WidgetModels | null;
  readonly changed: ISignal<unknown, void>;
}

/**
 * A widget as it stands, to look at: drawn by its state alone, without code of its own and without what it may not say.
 *
 * What a job sends is not trusted: core's and ipywidgets' own views would run its HTML in this page.
 */
export class WidgetView extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly _source: IWidgetSource,
    private readonly _sanitizer: IRenderMime.ISanitizer
  ) {
    super();
    this.addClass('mlk-WidgetView');
    _source.changed.connect(this._later, this);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { [VIEW]: view, ...data } = model.data;
    const { model_id: id } = (view ?? {}) as { model_id?: unknown };
    this._id = typeof id === 'string' ? id : '';
    this._data = data;
    this._draw();
    return Promise.resolve();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      cancelAnimationFrame(this._frame);
      this._source.changed.disconnect(this._later, this);
      super.dispose();
    }
  }

  private _later(): void {
    if (this._frame === 0) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._draw();
      });
    }
  }

  private _draw(): void {
    const models = this._source.models;
    const node = models && drawWidget(this._id, models, this._sanitizer);
    this.node.replaceChildren(node ?? this._rest());
  }

  /** What the output has beside the widget. */
  private _rest(): HTMLElement {
    const output = { output_type: 'display_data', data: this._data };
    return drawOutput(output, this._sanitizer, () => null, 0);
  }

  private _id = '';
  private _data: IRenderMime.IMimeModel['data'] = {};
  private _frame = 0;
}

/** One widget with all it holds; null where nothing is known of it, or it holds nothing that can be drawn. */
export function drawWidget(
  id: string,
  models: WidgetModels,
  sanitizer: IRenderMime.ISanitizer
): HTMLElement | null {
  let left = MOST_NODES;

  function draw(reference: unknown, depth: number): HTMLElement | null {
    const own = idOf(reference);
    const state = models.state(own);
    if (state === null || depth > DEEPEST || --left < 0) {
      return null;
    }
    const node = body(own, state, depth);
    if (node === null) {
      return null;
    }
    const layout = models.state(idOf(state.layout));
    node.hidden = layout?.display === 'none' || layout?.visibility === 'hidden';
    return node;
  }

  function body(own: string, state: State, depth: number): HTMLElement | null {
    switch (state._model_name) {
      case 'HTMLModel':
      case 'HTMLMathModel':
        return described(state, html(words(state.value), sanitizer));
      case 'LabelModel':
        return described(state, element('span', '', words(state.value)));
      case 'FloatProgressModel':
      case 'IntProgressModel':
        return described(state, progress(state));
      case 'ImageModel':
        return image(state, models.buffer(own, 'value'));
      case 'OutputModel': {
        const outputs: readonly unknown[] = Array.isArray(state.outputs) ? state.outputs : [];
        return box(
          'Output',
          outputs.filter(isObject).map(output => drawOutput(output, sanitizer, draw, depth + 1))
        );
      }
      case 'ButtonModel':
        return element('button', 'control', words(state.description));
      case 'PasswordModel':
        return described(state, element('span', 'value', words(state.value) && DOTS));
      case 'CheckboxModel':
      case 'ToggleButtonModel':
      case 'ValidModel':
        return described(state, element('span', 'value', state.value === true ? '✓' : '—'));
      default: {
        if (Array.isArray(state.children)) {
          const children = state.children.map(child => draw(child, depth + 1));
          if (children.length > 0 && children.every(child => child === null)) {
            return null;
          }
          nameBars(children);
          return box(state._model_name === 'HBoxModel' ? 'Row' : 'Column', children);
        }
        if (!('value' in state || 'index' in state || words(state.description))) {
          return null; // what its own code would draw (a figure, a map) is not in its state
        }
        return described(state, element('span', 'value', valueOf(state)));
      }
    }
  }

  return draw(id, 0);
}

function idOf(reference: unknown): string {
  return typeof reference === 'string' ? reference.replace(REFERENCE, '') : '';
}

function element(tag: string, part: string, text = ''): HTMLElement {
  const node = document.createElement(tag);
  if (part) {
    node.className = `mlk-WidgetView-${part}`;
  }
  node.textContent = text;
  if (node instanceof HTMLButtonElement) {
    node.disabled = true;
  }
  return node;
}

function box(part: string, children: readonly (HTMLElement | null)[]): HTMLElement {
  const node = element('div', part);
  node.append(...children.filter(child => child !== null));
  return node;
}

function described(state: State, value: HTMLElement): HTMLElement {
  const description = words(state.description);
  return description ? box('Row', [element('span', 'label', description), value]) : value;
}

function progress(state: State): HTMLElement {
  const node = document.createElement('progress');
  const [least, most] = [number(state.min) ?? 0, number(state.max) ?? 100];
  node.max = Math.max(finite(most - least), Number.MIN_VALUE);
  node.value = finite((number(state.value) ?? least) - least);
  node.dataset.style = words(state.bar_style);
  const description = words(state.description);
  if (description) {
    node.setAttribute('aria-label', description);
  }
  return node;
}

/** A bar without a name of its own is called what stands beside it, as in tqdm's. */
function nameBars(nodes: readonly (HTMLElement | null)[]): void {
  const beside = nodes.find(node => node && !node.hidden && node.textContent?.trim());
  for (const node of nodes) {
    if (beside && node instanceof HTMLProgressElement && !node.hasAttribute('aria-label')) {
      node.setAttribute('aria-label', beside.textContent?.trim() ?? '');
    }
  }
}

function image(state: State, data: string | null): HTMLElement {
  const node = document.createElement('img');
  const format = words(state.format);
  if (data !== null && IMAGES.includes(format)) {
    node.src = `data:image/${format};base64,${data}`;
  }
  node.alt = '';
  return node;
}

/** What a control is set to, in words. */
function valueOf(state: State): string {
  const labels = state._options_labels;
  const index = state.index;
  if (Array.isArray(labels) && index !== undefined) {
    return [index]
      .flat()
      .map(at => words(labels[number(at) ?? -1]))
      .filter(Boolean)
      .join(', ');
  }
  return words(state.value);
}

function words(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function finite(value: number): number {
  return Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
