import { renderHTML, renderText } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime';

import { isObject, VIEW } from './widgetmodels';

const IMAGES = ['image/png', 'image/jpeg'];

/** An output that an `Output` widget has captured, in its simplest safe form. */
export function drawOutput(
  output: Readonly<Record<string, unknown>>,
  sanitizer: IRenderMime.ISanitizer,
  widget: (reference: unknown, depth: number) => HTMLElement | null,
  depth: number
): HTMLElement {
  if (output.output_type === 'stream') {
    return text(joined(output.text), output.name === 'stderr', sanitizer);
  }
  if (output.output_type === 'error') {
    return text(joined(output.traceback, '\n'), true, sanitizer);
  }
  const data = isObject(output.data) ? output.data : {};
  const view = data[VIEW];
  const drawn = isObject(view) ? widget(view.model_id, depth) : null;
  if (drawn) {
    return drawn;
  }
  for (const mime of IMAGES) {
    if (mime in data) {
      const node = document.createElement('img');
      node.src = `data:${mime};base64,${joined(data[mime]).trim()}`;
      node.alt = '';
      return node;
    }
  }
  if ('text/html' in data) {
    return html(joined(data['text/html']), sanitizer);
  }
  return text(joined(data['text/plain']), false, sanitizer);
}

/** HTML without what could act in this page. */
export function html(source: string, sanitizer: IRenderMime.ISanitizer): HTMLElement {
  const host = document.createElement('div');
  host.className = 'jp-RenderedHTMLCommon';
  void renderHTML({
    host,
    source,
    trusted: false,
    sanitizer,
    resolver: null,
    linkHandler: null,
    shouldTypeset: false,
    latexTypesetter: null
  });
  return host;
}

/** Text with the colours of a terminal. */
function text(source: string, isError: boolean, sanitizer: IRenderMime.ISanitizer): HTMLElement {
  const host = document.createElement('div');
  host.dataset.level = isError ? 'error' : 'info';
  void renderText({ host, source, sanitizer });
  return host;
}

function joined(lines: unknown, by = ''): string {
  return [lines]
    .flat()
    .filter(line => typeof line === 'string')
    .join(by);
}
