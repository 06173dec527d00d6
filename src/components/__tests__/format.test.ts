import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { ago, bytes, duration, figure, roughly } from '../format';

describe('words for figures', () => {
  it.each([
    [0.4, '0 s'],
    [59.4, '59 s'],
    [134, '2 min 14 s'],
    [3720, '1 h 2 min'],
    [180_000, '2 d 2 h']
  ])('%d seconds are %s', (seconds, words) => {
    expect(duration(seconds, trans)).toBe(words);
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

  it.each([
    [0.21437, '0.214'],
    [0, '0'],
    [12.3456, '12.35'],
    [0.0000123, '1.23e-5'],
    [3e9, '3.00e+9'],
    [null, 'not a number']
  ])('%d reads %s', (value, words) => {
    expect(figure(value, trans)).toBe(words);
  });

  it.each([
    [0, '0 B'],
    [1536, '1.5 KiB'],
    [3 * 1024 ** 3, '3 GiB']
  ])('%d bytes are %s', (size, words) => {
    expect(bytes(size)).toBe(words);
  });
});
