import type { IRenderMime } from '@jupyterlab/rendermime';
import { renderText } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { ILogChange } from './feeds';
import { isFull, matches, pieces, settled } from './logtext';
import { Marks, rangesOf } from './marks';

/** More pieces than this are not kept on the page; the oldest go first and can be loaded again. */
const MOST_PIECES = 60;
/** More places than these are counted, but not marked. */
const MOST_MARKS = 5000;
/** So close to the end counts as the end, in pixels. */
const END_PX = 24;

interface IPiece {
  readonly node: HTMLElement;
  text: string;
  /** Where in what is shown of it the text that is looked for stands. */
  found: readonly number[];
  /** Where it begins in the log, in bytes; null inside of what came at once. */
  offset: number | null;
}

/** Where the text that is looked for stands: which of the places in a piece. */
interface IPlace {
  readonly piece: IPiece;
  readonly index: number;
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

  /** The text that is looked for; every place where it stands is marked. "" looks for nothing. */
  get query(): string {
    return this._query;
  }
  set query(query: string) {
    if (query === this._query) {
      return;
    }
    this._query = query;
    this._current = null;
    this._draw();
    for (const piece of this._pieces) {
      this._search(piece);
    }
    this._mark();
    this._stateChanged.emit();
  }

  /** How often the text stands in what is shown, and which of the places, from 1, was gone to; 0 for none. */
  get places(): { readonly current: number; readonly count: number } {
    let count = 0;
    let current = 0;
    for (const piece of this._pieces) {
      if (this._current?.piece === piece) {
        current = count + this._current.index + 1;
      }
      count += piece.found.length;
    }
    return { current, count };
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
    this._current = null;
    this._mark();
  }

  /** Scrolls to the end and stays there. */
  follow(): void {
    this._setFollowing(true);
    this._toEnd();
  }

  /** Goes to the next place, or to the one before, round and round. From nowhere to the first, or to the last. */
  find(direction: 1 | -1): void {
    this._draw();
    const places = this._pieces.flatMap(piece => piece.found.map((_, index) => ({ piece, index })));
    if (places.length === 0) {
      return;
    }
    const { current } = this.places;
    const from = current > 0 ? current - 1 : direction > 0 ? -1 : 0;
    this._current = places[(from + direction + places.length) % places.length];
    this._setFollowing(false);
    this._mark();
    this._show(this._current);
    this._stateChanged.emit();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._log.addEventListener('scroll', this._onScroll, { passive: true });
    this._mark();
    if (this._stale.size > 0) {
      this._schedule();
    }
  }

  protected override onBeforeDetach(msg: Message): void {
    this._log.removeEventListener('scroll', this._onScroll);
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    this._marks.clear();
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
    const piece: IPiece = { node, text, offset, found: [] };
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
    const drawn = [...this._stale];
    for (const { node, text } of drawn) {
      const source = settled(text);
      node.replaceChildren();
      node.style.setProperty('--mlk-lines', String(source.split('\n').length - 1 || 1));
      void renderText({ host: node, sanitizer: this._sanitizer, source });
    }
    this._stale.clear();
    if (this._query && drawn.length > 0) {
      drawn.forEach(piece => this._search(piece));
      this._mark();
    }
  }

  private _trim(): void {
    if (this._pieces.length <= MOST_PIECES) {
      return;
    }
    const least = this._pieces.length - MOST_PIECES;
    const keep = this._pieces.findIndex((piece, index) => index >= least && piece.offset !== null);
    if (keep > 0) {
      for (const piece of this._pieces.splice(0, keep)) {
        piece.node.remove();
        this._current = this._current?.piece === piece ? null : this._current;
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

  private _search(piece: IPiece): void {
    piece.found = matches(piece.node.textContent ?? '', this._query);
    if (this._current?.piece === piece && this._current.index >= piece.found.length) {
      this._current = null;
    }
  }

  private _mark(): void {
    const { length } = this._query;
    let left = MOST_MARKS;
    const every = this._pieces.flatMap(({ node, found }) => {
      const marked = found.slice(0, left);
      left -= marked.length;
      return rangesOf(node, marked, length);
    });
    this._marks.set(every, this._current && this._rangeAt(this._current));
  }

  private _rangeAt({ piece: { node, found }, index }: IPlace): Range | null {
    return rangesOf(node, found.slice(index, index + 1), this._query.length).at(0) ?? null;
  }

  private _show(place: IPlace): void {
    place.piece.node.scrollIntoView({ block: 'nearest' });
    // A piece out of sight has no layout of its own before the next frame.
    requestAnimationFrame(() => {
      const range = this._rangeAt(place);
      if (range) {
        const box = range.getBoundingClientRect();
        const view = this._log.getBoundingClientRect();
        this._log.scrollTop += box.top - view.top - view.height / 3;
      }
    });
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
  private _current: IPlace | null = null;
  private readonly _marks = new Marks();
}
