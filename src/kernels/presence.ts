import type { IDisposable } from '@lumino/disposable';

import type { KernelState } from '../api';
import type { IKernels } from '../tokens';
import { mayServerEnd } from './model';

export interface IPresenceOptions {
  kernels: Pick<IKernels, 'get' | 'policy' | 'present' | 'serverEnd'>;
  /** The kernel of the notebook or console that a node belongs to. */
  kernelAt: (node: Node) => string | null;
}

/** A kernel hears of its person at most so often. */
const TELL_MS = 60_000;
/** Or so often, while it is about to be stopped, or the whole server is. */
const TELL_SOON_MS = 5000;
/** The pointer says much; it is listened to at most so often. */
const LISTEN_MS = 1000;
/** What only a person does. A page also scrolls, focuses and reloads by itself. */
const POINTER = ['pointermove', 'pointerdown', 'wheel'] as const;

/**
 * Tells the server that a person is at the notebook or console of a kernel; of a server that may end itself also that
 * they are anywhere in its window.
 */
export class Presence implements IDisposable {
  constructor(private readonly _options: IPresenceOptions) {
    for (const type of POINTER) {
      document.addEventListener(type, this._onPointer, { capture: true, passive: true });
    }
    document.addEventListener('keydown', this._onKey, { capture: true, passive: true });
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    for (const type of POINTER) {
      document.removeEventListener(type, this._onPointer, { capture: true });
    }
    document.removeEventListener('keydown', this._onKey, { capture: true });
  }

  /** Something was done; told only where a person did it. */
  hear(event: Pick<Event, 'isTrusted' | 'target'>, kind: 'pointer' | 'key'): void {
    const now = performance.now();
    const { kernels, kernelAt } = this._options;
    if (!event.isTrusted || document.visibilityState !== 'visible') {
      return; // a script's doing, or one that nobody sees
    }
    if (kernels.policy === null || kernels.policy.mode === 'off' || now < this._listensAt) {
      return;
    }
    this._listensAt = now + LISTEN_MS;
    const id = event.target instanceof Node ? kernelAt(event.target) : null;
    const ids = id !== null && kernels.get(id) ? [id] : [];
    const key = ids.join();
    if (ids.length === 0 && !mayServerEnd(kernels.policy)) {
      return;
    }
    const isUrgent = kernels.serverEnd !== null || ids.some(each => isWarned(kernels.get(each)));
    const pause = isUrgent ? TELL_SOON_MS : TELL_MS;
    if (now - (this._toldAt.get(key) ?? -Infinity) < pause) {
      return;
    }
    this._toldAt.set(key, now);
    kernels.present(ids, kind).catch(() => undefined); // the next minute tells it again
  }

  private readonly _onPointer = (event: Event): void => {
    if (event.type !== 'pointermove' || this._hasMoved(event as PointerEvent)) {
      this.hear(event, 'pointer');
    }
  };

  private readonly _onKey = (event: Event): void => {
    if (!(event as KeyboardEvent).repeat) {
      this.hear(event, 'key');
    }
  };

  /** Browsers also tell of a pointer at rest, when what is below it moves: the output of a cell, say. */
  private _hasMoved({ screenX, screenY }: PointerEvent): boolean {
    const before = this._at;
    this._at = [screenX, screenY];
    return before !== null && (before[0] !== screenX || before[1] !== screenY);
  }

  private _at: readonly [number, number] | null = null;
  private readonly _toldAt = new Map<string, number>();
  private _listensAt = 0;
  private _isDisposed = false;
}

function isWarned(kernel: KernelState | undefined): boolean {
  return kernel?.state === 'warned';
}
