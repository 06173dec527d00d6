const EVERY = 'mlk-log-match';
const CURRENT = 'mlk-log-current';

/** Places in one text that are marked, beside those of other texts on the page. Where highlights are unknown, none. */
export class Marks {
  /** Marks these places and no others, the current one more than the rest. */
  set(every: readonly Range[], current: Range | null): void {
    this.clear();
    this._every = every;
    this._current = current ? [current] : [];
    this._every.forEach(range => highlight(EVERY, 0)?.add(range));
    this._current.forEach(range => highlight(CURRENT, 1)?.add(range));
  }

  clear(): void {
    this._every.forEach(range => highlight(EVERY, 0)?.delete(range));
    this._current.forEach(range => highlight(CURRENT, 1)?.delete(range));
    this._every = [];
    this._current = [];
  }

  private _every: readonly Range[] = [];
  private _current: readonly Range[] = [];
}

/** The page's highlight of this name, which all texts share. */
function highlight(name: string, priority: number): Highlight | undefined {
  if (!('highlights' in CSS)) {
    return undefined;
  }
  let known = CSS.highlights.get(name);
  if (!known) {
    known = new Highlight();
    known.priority = priority;
    CSS.highlights.set(name, known);
  }
  return known;
}

/**
 * Stretches of `length` characters of a node's text as ranges, across the spans of colours. `starts` ascend; what is
 * past the text's end, as after it was drawn anew, ends there.
 */
export function rangesOf(node: Node, starts: readonly number[], length: number): Range[] {
  if (starts.length === 0) {
    return [];
  }
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const texts: { text: Text; end: number }[] = [];
  let passed = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    passed += text.length;
    texts.push({ text, end: passed });
  }
  if (texts.length === 0) {
    return [];
  }
  const within = ({ text, end }: (typeof texts)[number], place: number): number =>
    Math.min(text.length, place - (end - text.length));
  let at = 0;
  return starts.map(start => {
    const range = document.createRange();
    while (at < texts.length - 1 && texts[at].end <= start) {
      at += 1;
    }
    range.setStart(texts[at].text, within(texts[at], start));
    let last = at;
    while (last < texts.length - 1 && texts[last].end < start + length) {
      last += 1;
    }
    range.setEnd(texts[last].text, within(texts[last], start + length));
    return range;
  });
}
