import { Sanitizer } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { LogBody } from '../logbody';
import { rangesOf } from '../marks';

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

describe('finding in a log', () => {
  let body: LogBody;

  // jsdom lays nothing out
  beforeAll(() => {
    globalThis.CSS ??= {} as typeof CSS;
    Range.prototype.getBoundingClientRect ??= () => document.body.getBoundingClientRect();
  });

  beforeEach(() => {
    body = new LogBody(new Sanitizer(), trans);
    Widget.attach(body, document.body);
    Element.prototype.scrollIntoView ??= () => undefined;
    body.apply({ kind: 'reset', text: 'Loss 1\nstep\nloss 2\n', offset: 0 });
  });

  afterEach(() => body.dispose());

  it('counts while somebody types, whatever the case, and goes nowhere by that', () => {
    body.query = 'l';
    expect(body.places).toEqual({ current: 0, count: 2 });
    expect(body.following).toBe(true);
    body.query = 'loss 2';
    expect(body.places).toEqual({ current: 0, count: 1 });
    body.query = 'gone';
    expect(body.places).toEqual({ current: 0, count: 0 });
    body.find(1);
    expect(body.places).toEqual({ current: 0, count: 0 });
  });

  it('goes round and round in both directions, from nowhere to the first or to the last', () => {
    body.query = 'loss';
    const seen = [1, 1, 1, -1].map(direction => {
      body.find(direction as 1 | -1);
      return body.places.current;
    });
    expect(seen).toEqual([1, 2, 1, 2]);
    expect(body.following).toBe(false);
    body.query = 'step';
    body.query = 'loss';
    body.find(-1);
    expect(body.places).toEqual({ current: 2, count: 2 });
  });

  it('counts what comes, stays at its place, and is cleared when the field is', async () => {
    body.query = 'loss';
    body.find(1);
    body.apply({ kind: 'append', text: 'loss 3\n', offset: 20 });
    await vi.waitFor(() => expect(body.places).toEqual({ current: 1, count: 3 }));
    body.query = '';
    expect(body.places).toEqual({ current: 0, count: 0 });
  });
});

describe('marks in a log', () => {
  const marked = (name: string) => [...((CSS.highlights.get(name) ?? []) as Iterable<Range>)];

  beforeEach(() => {
    globalThis.CSS ??= {} as typeof CSS;
    vi.stubGlobal('Highlight', Set);
    vi.stubGlobal('CSS', { highlights: new Map() });
  });

  afterEach(() => vi.unstubAllGlobals());

  it('are made again where the page is put to another place', () => {
    const body = new LogBody(new Sanitizer(), trans);
    Widget.attach(body, document.body);
    body.apply({ kind: 'reset', text: 'loss 1\nloss 2\n', offset: 0 });
    body.query = 'loss';
    expect(marked('mlk-log-match').map(String)).toEqual(['loss', 'loss']);
    Widget.detach(body);
    expect(marked('mlk-log-match')).toEqual([]);
    Widget.attach(body, document.body);
    expect(marked('mlk-log-match').map(String)).toEqual(['loss', 'loss']);
    body.dispose();
  });

  it('are made for so many places only, and for the one that was gone to', () => {
    const create = vi.spyOn(document, 'createRange');
    const body = new LogBody(new Sanitizer(), trans);
    Widget.attach(body, document.body);
    Element.prototype.scrollIntoView ??= () => undefined;
    body.apply({ kind: 'reset', text: 'x x x x x x x x x x\n'.repeat(700), offset: 0 });
    body.query = 'y';
    body.query = 'x';
    expect(body.places.count).toBe(7000);
    expect(create.mock.calls.length).toBe(5000);
    body.find(-1);
    expect(marked('mlk-log-match')).toHaveLength(5000);
    expect(marked('mlk-log-current').map(String)).toEqual(['x']);
    body.dispose();
  });
});

describe('places in a text', () => {
  it('end with the text, where that has become shorter', () => {
    const node = document.createElement('pre');
    node.textContent = 'abc';
    expect(rangesOf(node, [1, 2, 9], 4).map(String)).toEqual(['bc', 'c', '']);
    node.textContent = '';
    expect(rangesOf(node, [1], 4)).toEqual([]);
  });

  it('are found across the spans of colours', () => {
    const node = document.createElement('pre');
    node.append('ab', document.createElement('span'), 'cdef');
    node.children[0].textContent = 'XY';
    const ranges = rangesOf(node, [1, 4, 6], 2);
    expect(ranges.map(String)).toEqual(['bX', 'cd', 'ef']);
    expect(rangesOf(node, [], 2)).toEqual([]);
  });
});
