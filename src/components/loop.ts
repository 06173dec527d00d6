import { Dialog } from '@jupyterlab/apputils';

/**
 * Core's dialog, but Tab on its last button goes to what comes first in its body now: core goes to what could be focused
 * first when the dialog opened, and React had not drawn the body then.
 */
export class LoopDialog extends Dialog<void> {
  protected override _evtKeydown(event: KeyboardEvent): void {
    const buttons = this.node.querySelectorAll('.jp-Dialog-footer button:enabled');
    const isLast = document.activeElement === [...buttons].at(-1);
    const first = this.node.querySelector<HTMLElement>(FOCUSABLE);
    if (event.key === 'Tab' && !event.shiftKey && isLast && first) {
      event.preventDefault();
      event.stopPropagation();
      first.focus();
      return;
    }
    super._evtKeydown(event);
  }
}

const FOCUSABLE = [
  'input:not([type=hidden]):enabled',
  'select:enabled',
  'textarea:enabled',
  'button:enabled',
  '[tabindex="0"]'
]
  .map(each => `.jp-Dialog-body ${each}`)
  .join(', ');
