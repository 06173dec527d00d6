import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import CASES from '../../../tests/figures.json';
import { ago, bytes, duration, figure, roughly, took } from '../format';

describe('words for figures', () => {
  it.each(cases(CASES.duration))('%d seconds are %s', (seconds, words) => {
    expect(duration(seconds, trans)).toBe(words);
  });

  it.each(cases(CASES.took))('what took %d seconds took %s', (seconds, words) => {
    expect(took(seconds, trans)).toBe(words);
  });

  it.each([
    [0.2, '~1 s'],
    [130, '~2 min'],
    [5400, '~2 h']
  ])('%d seconds to go are %s', (seconds, words) => {
    expect(roughly(seconds, trans)).toBe(words);
  });

  it.each([
    [1000, 'just now'],
    [1005, 'just now'],
    [970, '30 s ago'],
    [820, '3 min ago'],
    [-7000, '2 h ago']
  ])('what was at %d is %s at 1000', (at, words) => {
    expect(ago(at, 1000, trans)).toBe(words);
  });

  it.each(CASES.number as [number | null, string][])('%d reads %s', (value, words) => {
    expect(figure(value, trans)).toBe(words);
  });

  it.each(cases(CASES.size))('%d bytes are %s', (size, words) => {
    expect(bytes(size)).toBe(words);
  });
});

function cases(table: readonly (readonly (number | string)[])[]): [number, string][] {
  return table as [number, string][];
}
