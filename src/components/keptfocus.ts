import { useEffect, useRef } from 'react';
import type { FocusEvent, RefObject } from 'react';

/** What can be focused near something that is gone. */
const NEAR = 'input:not([type=hidden]), select, .mlk-Button, button';

/**
 * Keeps the keyboard inside when the button that was pressed is gone ("use", "put back", "remove"): the focus
 * goes to the nearest field. Else keys would no longer reach the dialog, and Escape would not close it.
 *
 * Gives what hears of the focus inside.
 */
export function useKeptFocus(root: RefObject<HTMLElement>): (event: FocusEvent) => void {
  const around = useRef<readonly Element[]>([]);
  useEffect(() => {
    const [focused] = around.current;
    if (focused && !focused.isConnected && document.activeElement === document.body) {
      const near = around.current.find(each => each.isConnected && each.querySelector(NEAR));
      near?.querySelector<HTMLElement>(NEAR)?.focus();
    }
  });
  return ({ target }) => {
    const found: Element[] = [];
    for (let each: Element | null = target; each; each = each.parentElement) {
      found.push(each);
      if (each === root.current) {
        break;
      }
    }
    around.current = found;
  };
}
