// What JupyterLab's packages expect of a browser and jsdom lacks.
import { afterEach } from 'vitest';
import { cleanup } from '@testing-library/react';

class ResizeObserverStub implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver ??= ResizeObserverStub;
globalThis.CSSStyleSheet.prototype.replaceSync ??= () => undefined;
globalThis.DragEvent ??= class extends MouseEvent {} as typeof DragEvent;
window.requestIdleCallback ??= callback =>
  window.setTimeout(() => callback({ didTimeout: false, timeRemaining: () => 50 }));
window.matchMedia ??= ((media: string) => ({
  media,
  matches: false,
  onchange: null,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
  addListener: () => undefined,
  removeListener: () => undefined,
  dispatchEvent: () => false
})) as typeof window.matchMedia;

afterEach(cleanup);
