import { describe, expect, it } from 'vitest';

import { job } from '../../__tests__/fakes';
import { marksOf, titleOf } from '../names';

const pi = (id: string, changed: Record<string, string> = {}) => job(id, { name: 'pi', changed });
const marks = (...jobs: ReturnType<typeof pi>[]): string[] => [...marksOf(jobs).values()];

describe('what tells jobs of one name apart', () => {
  it('is what was set for each', () => {
    expect(marks(pi('pi-1', { lr: '0.05' }), pi('pi-2', { lr: '0.1', seed: '7' }))).toEqual([
      'lr=0.05',
      'lr=0.1, seed=7'
    ]);
  });

  it('is not what was set for all of them alike', () => {
    const jobs = ['0.1', '0.2'].map((lr, at) => pi(`pi-${at}`, { epochs: '9', lr }));
    expect(marks(...jobs)).toEqual(['lr=0.1', 'lr=0.2']);
  });

  it('is the end of the id where nothing was set, or the same', () => {
    expect(
      marks(
        pi('pi-1f9ac3d27b'),
        pi('pi-0b9ac3d27b', { lr: '0.1' }),
        pi('pi-aa9ac3d27b', { lr: '0.1' }),
        pi('pi-bb9ac3d27b', { lr: '0.2' })
      )
    ).toEqual(['1f9ac3', 'lr=0.1 · 0b9ac3', 'lr=0.1 · aa9ac3', 'lr=0.2']);
  });

  it('is nothing for a job that is alone of its name, but what was set for it', () => {
    expect(marksOf([job('a-1', { name: 'a' }), job('b-1', { name: 'b' })]).get('a-1')).toBe('');
    expect(marks(pi('pi-1', { lr: '0.05' }))).toEqual(['lr=0.05']);
  });

  it('names the first few of many', () => {
    const changed = Object.fromEntries(['a', 'b', 'c', 'd'].map(name => [name, '1']));
    expect(marks(pi('pi-1', changed))).toEqual(['a=1, b=1, c=1…']);
  });

  it('stands behind the name', () => {
    expect(titleOf('pi', 'lr=0.05')).toBe('pi · lr=0.05');
    expect(titleOf('pi', '')).toBe('pi');
  });
});
