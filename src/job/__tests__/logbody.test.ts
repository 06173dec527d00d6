import { Sanitizer } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { LogBody } from '../logbody';

describe('following a log', () => {
  let body: LogBody;
  let text: HTMLElement;
  let height: number;

  // jsdom has no CSS object, and so no highlights
  beforeAll(() => {
    globalThis.CSS ??= {} as typeof CSS;
  });

  /** Gives the text a height, since nothing is laid out here. */
  beforeEach(() => {
    body = new LogBody(new Sanitizer(), trans);
    Widget.attach(body, document.body);
    text = body.node.querySelector<HTMLElement>('.mlk-LogBody-text')!;
    height = 1000;
    Object.defineProperty(text, 'clientHeight', { value: 200 });
    Object.defineProperty(text, 'scrollHeight', { get: () => height });
    body.follow();
  });

  afterEach(() => body.dispose());

  const scrolledTo = (top: number): void => {
    text.scrollTop = top;
    text.dispatchEvent(new Event('scroll'));
  };

  it('goes on when pieces that come into sight are higher than thought', () => {
    height = 3000;
    scrolledTo(text.scrollTop);
    expect(body.following).toBe(true);
    expect(text.scrollTop).toBe(3000);
  });

  it('stops when somebody scrolls up, and goes on at the end', () => {
    scrolledTo(300);
    expect(body.following).toBe(false);
    scrolledTo(800);
    expect(body.following).toBe(true);
  });
});
