import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';

import { ApiError } from '../api';
import { ErrorBanner, Rendered } from '../components';
import type { FramesFeed } from './feeds';
import type { LiveNotebook } from './livenotebook';
import type { Change } from './replay';

export interface INotebookPageOptions {
  feed: FramesFeed;
  notebook: LiveNotebook;
  trans: TranslationBundle;
  /** Asks where to, and keeps the notebook as it is now there. Raises ApiError. */
  saveCopy: () => Promise<void>;
  /** Hands the notebook as it is now to the browser. Raises ApiError. */
  download: () => Promise<void>;
}

/** Movements by which a person takes the view into their own hands. */
const BY_HAND = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const;

/** The notebook while it runs: follows the running cell until somebody scrolls. */
export class NotebookPage extends Panel {
  constructor(private readonly _options: INotebookPageOptions) {
    super();
    this.addClass('mlk-NotebookPage');
    const { feed, notebook } = _options;
    this._bar = new Rendered(() => this._draw());
    this.addWidget(this._bar);
    this.addWidget(notebook);
    feed.loaded.connect(this._onLoaded, this);
    feed.changed.connect(this._onChanged, this);
    feed.stateChanged.connect(this._update, this);
    if (feed.replay) {
      this._onLoaded();
    }
  }

  /** Brings a cell into view, now or when the notebook is there, and stays with it. */
  goTo(cell: number): void {
    this._wanted = cell;
    this._follow(false);
    this._scrollToWanted();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    const { feed } = this._options;
    feed.loaded.disconnect(this._onLoaded, this);
    feed.changed.disconnect(this._onChanged, this);
    feed.stateChanged.disconnect(this._update, this);
    super.dispose();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    for (const type of BY_HAND) {
      this._options.notebook.node.addEventListener(type, this._onHand, { passive: true });
    }
  }

  protected override onBeforeDetach(msg: Message): void {
    for (const type of BY_HAND) {
      this._options.notebook.node.removeEventListener(type, this._onHand);
    }
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    super.onBeforeDetach(msg);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._scroll();
    this._scrollToWanted();
  }

  private _onLoaded(): void {
    const { feed, notebook } = this._options;
    if (feed.notebook && feed.replay) {
      notebook.load(feed.notebook, feed.replay);
      this._scroll();
      this._scrollToWanted();
    }
  }

  private _onChanged(_: FramesFeed, changes: readonly Change[]): void {
    this._options.notebook.apply(changes);
    this._scroll();
  }

  /** Brings the end of the running cell into view, at most once a frame. */
  private _scroll(): void {
    if (!this._following || !this.isVisible || this._frame !== 0) {
      return;
    }
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      const { feed, notebook } = this._options;
      const running = feed.replay?.runningCell ?? null;
      if (running === null || notebook.isDisposed) {
        return;
      }
      const isTall = notebook.widgets[running].node.clientHeight > notebook.node.clientHeight;
      void notebook.scrollToItem(running, isTall ? 'end' : 'auto').catch(() => undefined);
    });
  }

  private _scrollToWanted(): void {
    const { feed, notebook } = this._options;
    const cell = this._wanted;
    if (cell === null || !this.isVisible || !feed.replay || cell >= notebook.widgets.length) {
      return;
    }
    this._wanted = null;
    // The cells are laid out in the next frame.
    requestAnimationFrame(() => {
      if (!notebook.isDisposed) {
        void notebook.scrollToItem(cell, 'center').catch(() => undefined);
      }
    });
  }

  private readonly _onHand = (): void => this._follow(false);

  private _follow(following: boolean): void {
    if (following !== this._following) {
      this._following = following;
      this._update();
    }
    if (following) {
      this._scroll();
    }
  }

  private _update(): void {
    this._bar.update();
  }

  private _draw(): JSX.Element {
    const { feed, trans, saveCopy, download } = this._options;
    const error = this._failure ?? feed.error;
    return (
      <>
        <div className="mlk-Bar" role="group" aria-label={trans.__('Live notebook')}>
          <span className="mlk-Bar-note">{this._note()}</span>
          <span className="mlk-Bar-space" />
          {!feed.final && (
            <button
              type="button"
              className="mlk-Button"
              aria-pressed={this._following}
              title={trans.__('Keep the running cell in view')}
              onClick={() => this._follow(!this._following)}
            >
              {trans.__('Follow')}
            </button>
          )}
          <button
            type="button"
            className="mlk-Button"
            disabled={!feed.replay}
            onClick={() => void this._try(saveCopy())}
          >
            {trans.__('Save a copy…')}
          </button>
          <button
            type="button"
            className="mlk-Button"
            disabled={!feed.replay}
            onClick={() => void this._try(download())}
          >
            {trans.__('Download')}
          </button>
        </div>
        {error && <ErrorBanner error={error} trans={trans} />}
      </>
    );
  }

  private _note(): string {
    const { feed, trans } = this._options;
    if (!feed.replay) {
      return feed.error ? '' : trans.__('Asking the server for the notebook.');
    }
    return feed.final
      ? trans.__('As the job left it. Read-only.')
      : trans.__('Live, from the first process. Read-only.');
  }

  private async _try(action: Promise<void>): Promise<void> {
    try {
      await action;
      this._failure = null;
    } catch (error) {
      this._failure = ApiError.from(error, this._options.trans);
    }
    if (!this.isDisposed) {
      this._update();
    }
  }

  private readonly _bar: Rendered;
  private _following = true;
  private _frame = 0;
  /** The cell to be brought into view once it is there. */
  private _wanted: number | null = null;
  private _failure: ApiError | null = null;
}
