import { Signal } from '@lumino/signaling';
import { fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { answer, job, settings, trans } from '../../__tests__/fakes';
import { Api } from '../../api';
import type { IMetric } from '../../charts';
import type { IJobs, IJobsChange } from '../../tokens';
import { Comparison } from '../comparison';
import { Metrics } from '../metrics';
import type { IMetricsProps } from '../metrics';
import { drawingsOf } from '../metricslines';
import type { IDrawnJob } from '../metricslines';

function metric(name: string, ...ranks: number[][]): IMetric {
  const series = ranks.map((values, rank) => ({
    name,
    rank,
    points: values.map((value, step) => ({ at: 100 + step, step, value }))
  }));
  return { name, ranks: series.length, series };
}

function drawn(id: string, colour: number, ...metrics: IMetric[]): IDrawnJob {
  return { id, title: id, colour, startedAt: 100, metrics };
}

describe('what is drawn of a job', () => {
  it('has a line for each rank that logged values of its own, and says so of the others', () => {
    const { 0: same, 1: other } = drawingsOf(
      [drawn('a', 0, metric('acc', [1, 2], [1, 2]), metric('loss', [1, 2], [1, 3], [1, 2]))],
      trans
    );
    expect(same.lines.map(({ label }) => label)).toEqual(['rank 0']);
    expect(same.note).toBe('All 2 processes logged the same.');
    expect(other.lines.map(({ label, colour }) => [label, colour])).toEqual([
      ['rank 0', 0],
      ['rank 1', 1]
    ]);
    expect(other.note).toBe('The other processes, of 3, logged the same as the first.');
  });

  it('has a colour of its own for each rank, however high', () => {
    const { series, ...loss } = metric('loss', [1, 2], [2, 3], [3, 4]);
    const apart = { ...loss, series: series.map(one => ({ ...one, rank: 8 * one.rank })) };
    const [{ lines }] = drawingsOf([drawn('a', 0, apart)], trans);
    expect(lines.map(({ label, colour }) => [label, colour])).toEqual([
      ['rank 0', 0],
      ['rank 8', 1],
      ['rank 16', 2]
    ]);
  });

  it('says how many ranks are not drawn', () => {
    const many = { ...metric('loss', [1, 2], [2, 3]), ranks: 64 };
    expect(drawingsOf([drawn('a', 0, many)], trans)[0].note).toBe(
      'The first 2 of 64 processes that logged it.'
    );
    expect(drawingsOf([drawn('a', 0, metric('loss', [1, 2]))], trans)[0].note).toBeNull();
  });

  it('of several jobs has one line a job in its colour, whatever each has logged', () => {
    const jobs = [
      drawn('a', 0, metric('loss', [1, 2], [5, 6])),
      drawn('b', 3, metric('acc', [1, 2]), metric('loss', [2, 3]))
    ];
    const [acc, loss] = drawingsOf(jobs, trans);
    expect([acc.name, loss.name]).toEqual(['acc', 'loss']);
    expect(acc.lines.map(({ label, colour }) => [label, colour])).toEqual([['b', 3]]);
    expect(loss.lines.map(({ label, colour }) => [label, colour])).toEqual([
      ['a', 0],
      ['b', 3]
    ]);
    expect(loss.note).toBe('Of each job the first process.');
  });
});

describe('Metrics', () => {
  function shown(fields: Partial<IMetricsProps> = {}) {
    const props: IMetricsProps = {
      job: drawn('a', 0, metric('final', [0.0015])),
      compared: [],
      others: [{ id: 'b', title: 'pi · lr=0.05' }],
      isLoaded: true,
      final: true,
      error: null,
      version: 0,
      theme: '',
      trans,
      onRetry: vi.fn(),
      onCompare: vi.fn(),
      onForget: vi.fn(),
      ...fields
    };
    return { props, ...render(<Metrics {...props} />) };
  }

  const show = (fields: Partial<IMetricsProps> = {}): IMetricsProps => shown(fields).props;

  it('tells a single value as a number, and lays a job over it that was chosen', () => {
    const { onCompare } = show();
    expect(screen.getByRole('figure').textContent).toBe('final0.0015');
    fireEvent.change(screen.getByLabelText('Lay another job over these'), {
      target: { value: 'b' }
    });
    expect(onCompare).toHaveBeenCalledWith('b');
  });

  it('names the jobs in its charts, and takes one out', () => {
    const { onForget } = show({ compared: [drawn('b', 1, metric('final', [2]))] });
    const names = within(screen.getByLabelText('Jobs in these charts')).getAllByRole('listitem');
    expect(names.map(({ textContent }) => textContent)).toEqual(['a', 'bTake out']);
    fireEvent.click(screen.getByLabelText('Take b out'));
    expect(onForget).toHaveBeenCalledWith('b');
  });

  it('goes on with the keyboard at the choice of jobs when one was taken out', () => {
    const { props, rerender } = shown({ compared: [drawn('b', 1, metric('final', [2]))] });
    fireEvent.click(screen.getByLabelText('Take b out'));
    rerender(<Metrics {...props} compared={[]} />);
    expect(document.activeElement).toBe(screen.getByLabelText('Lay another job over these'));
  });

  it('finds some of many metrics', () => {
    const many = Array.from({ length: 12 }, (_, at) => metric(`m${at}`, [at]));
    show({ job: drawn('a', 0, ...many) });
    expect(screen.getAllByRole('figure')).toHaveLength(12);
    fireEvent.change(screen.getByLabelText('Find a metric'), { target: { value: 'M1' } });
    expect(screen.getAllByRole('figure')).toHaveLength(3);
  });

  it('says that there are none, and what would be drawn', () => {
    show({ job: drawn('a', 0) });
    expect(screen.getByText(/has logged no metrics/)).toBeTruthy();
  });
});

describe('Comparison', () => {
  it('reads the metrics of a job that was added, again when it is over, and forgets one that was deleted', async () => {
    let value = 1;
    const serve = () =>
      answer(200, {
        source: 'frames',
        series: [{ name: 'loss', rank: 0, ranks: 1, points: [{ at: 1, step: 0, value }] }]
      });
    const source = {} as IJobs;
    const changed = new Signal<IJobs, IJobsChange>(source);
    const comparison = new Comparison(new Api(settings(serve), trans), { changed }, trans);
    const latest = () => comparison.all.map(({ metrics }) => metrics[0]?.series[0].points[0].value);
    comparison.active = true;
    comparison.add('b');
    comparison.add('c');
    comparison.add('b');
    await vi.waitFor(() => expect(latest()).toEqual([1, 1]));
    expect(comparison.all.map(({ id, colour }) => [id, colour])).toEqual([
      ['b', 1],
      ['c', 2]
    ]);
    value = 2;
    const over = job('b', { phase: 'Succeeded' });
    changed.emit({ reset: false, changed: [over], removed: [], ended: [over] });
    await vi.waitFor(() => expect(latest()).toEqual([2, 1]));
    changed.emit({ reset: false, changed: [], removed: ['b'], ended: [] });
    expect(comparison.all.map(({ id }) => id)).toEqual(['c']);
    comparison.add('d');
    expect(comparison.all.at(-1)?.colour, 'a colour that is free').toBe(1);
    comparison.dispose();
  });

  it('reads nothing while nobody looks, and what has changed meanwhile once somebody does', async () => {
    const metrics = vi.fn(() => Promise.resolve({ source: 'frames' as const, series: [] }));
    const changed = new Signal<IJobs, IJobsChange>({} as IJobs);
    const comparison = new Comparison({ metrics }, { changed }, trans);
    comparison.add('b');
    comparison.add('c');
    expect(metrics).toHaveBeenCalledTimes(2);
    const over = job('b', { phase: 'Succeeded' });
    changed.emit({ reset: false, changed: [over], removed: [], ended: [over] });
    expect(metrics).toHaveBeenCalledTimes(2);
    comparison.active = true;
    expect(metrics.mock.calls.slice(2)).toEqual([['b']]);
    comparison.dispose();
  });

  it('tells what is wrong with one job until that one is read', async () => {
    let isDown = true;
    const metrics = vi.fn((id: string) =>
      id === 'b' && isDown
        ? Promise.reject(new Error('down'))
        : Promise.resolve({ source: 'frames' as const, series: [] })
    );
    const changed = new Signal<IJobs, IJobsChange>({} as IJobs);
    const comparison = new Comparison({ metrics }, { changed }, trans);
    const answered = vi.fn();
    comparison.changed.connect(answered);
    comparison.add('b');
    comparison.add('c');
    await vi.waitFor(() => expect(answered, 'added and answered').toHaveBeenCalledTimes(4));
    expect(comparison.error).not.toBeNull();
    isDown = false;
    comparison.retry();
    await vi.waitFor(() => expect(comparison.error).toBeNull());
    expect(metrics.mock.calls.map(([id]) => id)).toEqual(['b', 'c', 'b']);
    comparison.dispose();
  });
});
