import type { IRenderMime } from '@jupyterlab/rendermime';
import { renderText } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { ILogChange } from './feeds';
import { isFull, matches, pieces, settled } from './logtext';

/** More pieces than this are not kept on the page; the oldest go first and can be loaded again. */
const MOST_PIECES = 60;
/** So close to the end counts as the end, in pixels. */
const END_PX = 24;
const MARK = 'mlk-log-match';

interface IPiece {
  readonly node: HTMLElement;
  text: string;
  /** Where it begins in the log, in bytes; null inside of what came at once. */
  offset: number | null;
}

/** The text of one log: follows its end until somebody scrolls up. Text is never taken for HTML. */
export class LogBody extends Widget {
  constructor(
    private readonly _sanitizer: IRenderMime.ISanitizer,
    trans: TranslationBundle
  ) {
    super();
    this.addClass('mlk-LogBody');
    this._log = document.createElement('div');
    this._log.className = 'mlk-LogBody-text';
    this._log.setAttribute('role', 'log');
    // A training run writes faster than anybody listens: readers go through the text themselves.
    this._log.setAttribute('aria-live', 'off');
    this._log.setAttribute('aria-label', trans.__('Log'));
    this._log.tabIndex = 0;
    this.node.append(this._log);
  }

  /** Whether new text is scrolled to. */
  get following(): boolean {
    return this._following;
  }

  /** `following` changed, or the first text came. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** The oldest text was dropped; what is left begins at this byte. */
  get trimmed(): ISignal<this, number> {
    return this._trimmed;
  }

  get isEmpty(): boolean {
    return this._pieces.length === 0;
  }

  apply(change: ILogChange): void {
    switch (change.kind) {
      case 'reset':
        this.clear();
        this._append(change.text, change.offset);
        break;
      case 'append':
        this._append(change.text, change.offset);
        break;
      case 'prepend':
        this._prepend(change.text, change.offset);
        break;
    }
  }

  clear(): void {
    this._pieces.length = 0;
    this._log.replaceChildren();
    this._stale.clear();
    this._unmark();
  }

  /** Scrolls to the end and stays there. */
  follow(): void {
    this._setFollowing(true);
    this._toEnd();
  }

  /**
   * Goes to the next place where `query` stands, round and round.
   *
   * Returns the number of the place, from 1, and how many there are; [0, 0] when there is none.
   */
  find(query: string, direction: 1 | -1): [number, number] {
    this._draw();
    const places = this._pieces.flatMap(piece =>
      matches(piece.node.textContent ?? '', query).map(at => ({ piece, at }))
    );
    if (places.length === 0) {
      this._unmark();
      this._found = -1;
      return [0, 0];
    }
    const from = this._query === query ? this._found : direction > 0 ? -1 : 0;
    this._query = query;
    this._found = (from + direction + places.length) % places.length;
    const { piece, at } = places[this._found];
    this._setFollowing(false);
    this._mark(piece.node, at, query.length);
    return [this._found + 1, places.length];
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._log.addEventListener('scroll', this._onScroll, { passive: true });
  }

  protected override onBeforeDetach(msg: Message): void {
    this._log.removeEventListener('scroll', this._onScroll);
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    this._unmark();
    super.onBeforeDetach(msg);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    if (this._following) {
      this._toEnd();
    }
  }

  private _append(text: string, offset: number): void {
    let from: number | null = offset;
    for (const part of this._intoLast(text)) {
      this._pieces.push(this._piece(part, from));
      from = null;
    }
    this._log.append(...this._pieces.slice(this._log.childElementCount).map(({ node }) => node));
    this._schedule();
  }

  /** What fits into the last piece goes there; gives the rest in pieces. */
  private _intoLast(text: string): string[] {
    const last = this._pieces.at(-1);
    if (!last || isFull(last.text)) {
      return pieces(text);
    }
    const [first, ...rest] = pieces(last.text + text);
    last.text = first ?? '';
    this._stale.add(last);
    return rest;
  }

  private _prepend(text: string, offset: number): void {
    const first = this._pieces.at(0);
    const cut = text.lastIndexOf('\n') + 1;
    if (first && cut < text.length) {
      // The older text ends inside of a line that the piece after it goes on with.
      first.text = text.slice(cut) + first.text;
      this._stale.add(first);
    }
    const whole = first ? text.slice(0, cut) : text;
    const added = pieces(whole).map((part, index) =>
      this._piece(part, index === 0 ? offset : null)
    );
    if (first && added.length === 0) {
      first.offset = offset;
    }
    const height = this._log.scrollHeight;
    this._pieces.unshift(...added);
    this._log.prepend(...added.map(({ node }) => node));
    this._draw();
    this._log.scrollTop += this._log.scrollHeight - height;
  }

  private _piece(text: string, offset: number | null): IPiece {
    const node = document.createElement('div');
    node.className = 'mlk-LogPiece jp-RenderedText';
    const piece = { node, text, offset };
    this._stale.add(piece);
    return piece;
  }

  private _schedule(): void {
    if (this._frame === 0) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._draw();
        if (this._following) {
          this._trim();
          this._toEnd();
        }
        this._stateChanged.emit();
      });
    }
  }

  private _draw(): void {
    for (const { node, text } of this._stale) {
      const source = settled(text);
      node.replaceChildren();
      node.style.setProperty('--mlk-lines', String(source.split('\n').length - 1 || 1));
      void renderText({ host: node, sanitizer: this._sanitizer, source });
    }
    this._stale.clear();
  }

  private _trim(): void {
    if (this._pieces.length <= MOST_PIECES) {
      return;
    }
    const least = this._pieces.length - MOST_PIECES;
    const keep = this._pieces.findIndex((piece, index) => index >= least && piece.offset !== null);
    if (keep > 0) {
      for (const { node } of this._pieces.splice(0, keep)) {
        node.remove();
      }
      this._trimmed.emit(this._pieces[0].offset!);
    }
  }

  private _toEnd(): void {
    this._log.scrollTop = this._log.scrollHeight;
    this._top = this._log.scrollTop;
  }

  private readonly _onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = this._log;
    if (clientHeight === 0) {
      return;
    }
    const isUp = scrollTop < this._top;
    this._top = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < END_PX) {
      this._setFollowing(true);
    } else if (isUp) {
      this._setFollowing(false);
    } else if (this._following) {
      this._toEnd(); // nobody scrolled: pieces that came into sight turned out to be higher than thought
    }
  };

  private _setFollowing(following: boolean): void {
    if (following !== this._following) {
      this._following = following;
      this._stateChanged.emit();
    }
  }

  private _mark(node: HTMLElement, at: number, length: number): void {
    node.scrollIntoView({ block: 'nearest' });
    // A piece out of sight has no layout of its own before the next frame.
    requestAnimationFrame(() => {
      const range = rangeOf(node, at, length);
      const box = range.getBoundingClientRect();
      const view = this._log.getBoundingClientRect();
      this._log.scrollTop += box.top - view.top - view.height / 3;
      if ('highlights' in CSS) {
        CSS.highlights.set(MARK, new Highlight(range));
      } else {
        getSelection()?.removeAllRanges();
        getSelection()?.addRange(range);
      }
    });
  }

  private _unmark(): void {
    if ('highlights' in CSS) {
      CSS.highlights.delete(MARK);
    }
  }

  private readonly _log: HTMLElement;
  private readonly _pieces: IPiece[] = [];
  private readonly _stale = new Set<IPiece>();
  private readonly _stateChanged = new Signal<this, void>(this);
  private readonly _trimmed = new Signal<this, number>(this);
  private _following = true;
  private _frame = 0;
  /** Where the text was scrolled to when last seen, in pixels. */
  private _top = 0;
  private _query = '';
  private _found = -1;
}

/** Characters of a node's text as a range, across the spans of colours. */
function rangeOf(node: HTMLElement, at: number, length: number): Range {
  const range = document.createRange();
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  let passed = 0;
  let begun = false;
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    const end = passed + text.length;
    if (!begun && at < end) {
      range.setStart(text, at - passed);
      begun = true;
    }
    if (at + length <= end) {
      range.setEnd(text, at + length - passed);
      break;
    }
    passed = end;
  }
  return range;
}
