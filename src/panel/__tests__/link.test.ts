import { afterEach, expect, it } from 'vitest';

import { takeLink } from '../link';

afterEach(() => window.history.replaceState(null, '', '/'));

it.each([
  ['/lab/tree/a.ipynb?mlk-panel', '/lab/tree/a.ipynb'],
  ['/lab/tree/a.ipynb?mlk-panel&token=x', '/lab/tree/a.ipynb?token=x'],
  ['/lab?token=x&mlk-panel=1#there', '/lab?token=x#there']
])('a link %s asks for the panel once', (link, after) => {
  window.history.replaceState(null, '', link);
  expect(takeLink()).toBe(true);
  expect(window.location.href).toBe(`${window.location.origin}${after}`);
  expect(takeLink()).toBe(false);
});

it('any other asks for nothing, and stays', () => {
  window.history.replaceState(null, '', '/lab?mlk-panels&x=mlk-panel');
  expect(takeLink()).toBe(false);
  expect(window.location.search).toBe('?mlk-panels&x=mlk-panel');
});
