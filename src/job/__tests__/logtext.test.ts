import { describe, expect, it } from 'vitest';

import { isFull, matches, pieces, settled } from '../logtext';

const lines = (count: number) => 'line\n'.repeat(count);

describe('text of a log', () => {
  it.each([
    ['plain\n', 'plain\n'],
    ['10 %\r50 %\r100 %\ndone', '100 %\ndone'],
    ['50 %\r', '50 %'],
    ['windows\r\nlines\r\n', 'windows\nlines\n']
  ])('shows of %j what a terminal would', (text, shown) => {
    expect(settled(text)).toBe(shown);
  });

  it('is cut at ends of lines and loses nothing', () => {
    const text = `${lines(450)}open`;
    const parts = pieces(text);
    expect(parts.join('')).toBe(text);
    expect(parts).toHaveLength(3);
    expect(parts.slice(0, -1).every(part => part.endsWith('\n'))).toBe(true);
    expect(parts.map(isFull)).toEqual([true, true, false]);
    expect(pieces('')).toEqual([]);
  });

  it('is searched whatever the case', () => {
    expect(matches('Error, error', 'ERROR')).toEqual([0, 7]);
    expect(matches('aaaa', 'aa')).toEqual([0, 2]);
    expect(matches('text', '')).toEqual([]);
    expect(matches('a.b (a+b) a\\b', 'A+B')).toEqual([5]);
    expect(matches('İİİ end', 'END'), 'a text that is longer in small letters').toEqual([4]);
    expect(matches('a\ud83d b', '\ud83d'), 'half a character').toEqual([1]);
  });
});
