/** Lines in one piece of the page: small enough to draw at once, large enough to keep pieces few. */
const LINES = 200;

/** What a terminal would show of text with carriage returns: in each line, what was written last. */
export function settled(text: string): string {
  return text.includes('\r')
    ? text
        .split('\n')
        .map(line => line.split('\r').filter(Boolean).at(-1) ?? '')
        .join('\n')
    : text;
}

/** Text in pieces of at most `LINES` lines; every piece but the last ends with its line. */
export function pieces(text: string): string[] {
  const found: string[] = [];
  let begin = 0;
  while (begin < text.length) {
    let end = begin;
    for (let line = 0; line < LINES && end < text.length; line++) {
      const newline = text.indexOf('\n', end);
      end = newline < 0 ? text.length : newline + 1;
    }
    found.push(text.slice(begin, end));
    begin = end;
  }
  return found;
}

/** Whether a piece takes no more text. */
export function isFull(text: string): boolean {
  return text.endsWith('\n') && text.split('\n').length > LINES;
}

/** Where `query` is found in `text`, whatever the case. */
export function matches(text: string, query: string): number[] {
  if (!query) {
    return [];
  }
  // Not by toLowerCase: it makes some texts longer, and then the places are those of another text.
  const what = new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'giu');
  return Array.from(text.matchAll(what), ({ index }) => index);
}
