import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';

/** Who looks away for less than this finds everything as it was. */
const LINGER_MS = 10_000;

/** What runs once for all who want it, and while somebody does. */
export class Shared implements IDisposable {
  constructor(private readonly _start: () => IDisposable) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get isRunning(): boolean {
    return this._running !== null;
  }

  /** Keeps it running until the returned disposable is disposed, and `lingerMs` longer. */
  hold(lingerMs = LINGER_MS): IDisposable {
    if (this._isDisposed) {
      return new DisposableDelegate(() => undefined);
    }
    clearTimeout(this._timer);
    this._holders += 1;
    this._running ??= this._start();
    return new DisposableDelegate(() => {
      this._holders -= 1;
      if (this._holders === 0 && !this._isDisposed) {
        this._timer = setTimeout(() => this._end(), lingerMs);
      }
    });
  }

  dispose(): void {
    this._isDisposed = true;
    this._end();
  }

  private _end(): void {
    clearTimeout(this._timer);
    this._running?.dispose();
    this._running = null;
  }

  private _running: IDisposable | null = null;
  private _holders = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
}
