import { afterEach, describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import CASES from '../../../tests/figures.json';
import { ago, bytes, duration, figure, money, roughly, took } from '../format';

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

describe('an amount of money', () => {
  afterEach(() => document.documentElement.removeAttribute('lang'));

  it.each([
    [0, '$0.00'],
    [0.0042, '$0.0042'],
    [0.042, '$0.042'],
    [0.4199, '$0.42'],
    [0.999, '$1.00'],
    [12.4, '$12.40'],
    [99.999, '$100'],
    [1234.5, '$1,235'],
    [-0.05, '-$0.050']
  ])('%d reads %s', (amount, words) => {
    expect(money(amount, 'USD')).toBe(words);
  });

  it('is in the language of the page', () => {
    document.documentElement.lang = 'de';
    expect(money(1234.5, 'EUR')).toMatch(/^1\.235\s€$/);
  });

  it('has a currency that no browser knows as it is', () => {
    expect(money(2, 'credits')).toBe('2.00 credits');
  });
});

function cases(table: readonly (readonly (number | string)[])[]): [number, string][] {
  return table as [number, string][];
}
