import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, FakeSocket, job, settings, trans } from '../../__tests__/fakes';
import { Api, Channel } from '../../api';
import type { JobSummary } from '../../api';
import type { IJobsChange } from '../../tokens';
import { JobsModel } from '../model';

describe('the list of jobs', () => {
  let model: JobsModel;
  let channel: Channel;
  let changes: IJobsChange[];
  let serve: () => Response;

  beforeEach(() => {
    serve = () => answer(200, { jobs: [] });
    const api = new Api(
      settings(() => serve()),
      trans
    );
    channel = new Channel(api);
    model = new JobsModel({ api, channel, trans });
    changes = [];
    model.changed.connect((_, change) => changes.push(change));
    model.follow();
    FakeSocket.last.open();
  });

  afterEach(() => {
    model.dispose();
    channel.dispose();
  });

  const ids = (): string[] => model.jobs.map(({ id }) => id);

  it('is not ready before the first answer', () => {
    expect(model.isReady).toBe(false);
    FakeSocket.last.snapshot('jobs', { jobs: [] });
    expect(model.isReady).toBe(true);
  });

  it('shows the newest first, whatever order they come in', () => {
    FakeSocket.last.snapshot('jobs', {
      jobs: [job('old', { created_at: 1 }), job('new', { created_at: 3 })]
    });
    FakeSocket.last.delta('jobs', 1, { changed: [job('middle', { created_at: 2 })], removed: [] });
    expect(ids()).toEqual(['new', 'middle', 'old']);
  });

  it('keeps the same array and the same jobs while nothing changed', () => {
    FakeSocket.last.snapshot('jobs', { jobs: [job('a'), job('b', { created_at: 2000 })] });
    const before = model.jobs;
    expect(model.jobs).toBe(before);
    FakeSocket.last.delta('jobs', 1, { changed: [job('b', { created_at: 2000 })], removed: [] });
    expect(model.jobs[1]).toBe(before[1]);
  });

  it('forgets removed jobs', () => {
    FakeSocket.last.snapshot('jobs', { jobs: [job('a'), job('b')] });
    FakeSocket.last.delta('jobs', 1, { changed: [], removed: ['a', 'never there'] });
    expect(ids()).toEqual(['b']);
    expect(changes.at(-1)?.removed).toEqual(['a']);
  });

  it('takes a new snapshot after a reconnect for the whole truth', () => {
    FakeSocket.last.snapshot('jobs', { jobs: [job('a'), job('b')] });
    FakeSocket.last.snapshot('jobs', { jobs: [job('b', { phase: 'Succeeded' })] });
    expect(ids()).toEqual(['b']);
    expect(changes.at(-1)).toMatchObject({ reset: true, removed: ['a'] });
    expect(changes.at(-1)?.ended.map(({ id }) => id)).toEqual(['b']);
  });

  it('tells of an end once, and never of ends before its time', () => {
    FakeSocket.last.snapshot('jobs', { jobs: [job('done', { phase: 'Failed' }), job('a')] });
    const end = { changed: [job('a', { phase: 'Stopped' })], removed: [] };
    FakeSocket.last.delta('jobs', 1, end);
    FakeSocket.last.delta('jobs', 2, end);
    expect(changes.map(({ ended }) => ended.map(({ id }) => id))).toEqual([[], ['a'], []]);
  });

  it('counts what runs and the GPUs that it holds', () => {
    FakeSocket.last.snapshot('jobs', {
      jobs: [
        job('a', { workers: 4, gpus: 2 }),
        job('b', { phase: 'Stopping', gpus: 1 }),
        job('c', { phase: 'Queued', gpus: 8 }),
        job('d', { phase: 'Succeeded', gpus: 8 })
      ]
    });
    expect(model.active).toEqual({ jobs: 2, gpus: 9 });
  });

  it('finds the unfinished jobs of a notebook', () => {
    FakeSocket.last.snapshot('jobs', {
      jobs: [
        job('a', { notebook: 'x.ipynb' }),
        job('b', { notebook: 'x.ipynb', phase: 'Failed' }),
        job('c')
      ]
    });
    expect(model.unfinishedOf('x.ipynb').map(({ id }) => id)).toEqual(['a']);
  });

  it('keeps the jobs it knows when the list cannot be read, and says why', async () => {
    FakeSocket.last.snapshot('jobs', { jobs: [job('a')] });
    serve = () =>
      answer(503, { code: 'backend_unavailable', title: 'No', detail: 'Down.', hint: 'Wait.' });
    await model.refresh();
    expect(ids()).toEqual(['a']);
    expect(model.error?.code).toBe('backend_unavailable');
    serve = () => answer(200, { jobs: [job('a'), job('b')] });
    await model.refresh();
    expect(model.error).toBeNull();
    expect(ids()).toHaveLength(2);
  });

  it('takes the answer to a submission only where the socket has not told more', () => {
    const submitted = { code: 'submitted', text: 'Its objects are being created.', hint: null };
    const waiting = { code: 'insufficient_gpus', text: 'Waiting: needs 16 GPUs.', hint: null };
    FakeSocket.last.snapshot('jobs', {
      jobs: [job('a', { phase: 'Queued', reason: waiting })]
    });
    model.put(job('a', { phase: 'Queued', reason: submitted }));
    model.put(job('b', { phase: 'Queued', reason: submitted }));
    expect(model.get('a')?.reason?.code).toBe('insufficient_gpus');
    expect(model.get('b')?.reason?.code).toBe('submitted');
  });
});

describe('nobody who looks at jobs', () => {
  let model: JobsModel;
  let channel: Channel;
  let asked: number;
  let listed: JobSummary[];

  beforeEach(() => {
    vi.useFakeTimers();
    asked = 0;
    listed = [];
    const api = new Api(
      settings(() => {
        asked += 1;
        return answer(200, { jobs: listed });
      }),
      trans
    );
    channel = new Channel(api);
    model = new JobsModel({ api, channel, trans });
  });

  afterEach(() => {
    model.dispose();
    channel.dispose();
    vi.useRealTimers();
  });

  it('has the list asked for once, and nothing followed', async () => {
    listed = [job('done', { phase: 'Succeeded' })];
    await model.load();
    await model.load();
    expect(model.jobs.map(({ id }) => id)).toEqual(['done']);
    expect(asked).toBe(1);
    expect(FakeSocket.all).toEqual([]);
  });

  it('is told of a job until it is over', async () => {
    listed = [job('a')];
    const ended: string[] = [];
    model.changed.connect((_, change) => ended.push(...change.ended.map(({ id }) => id)));
    await model.load();
    FakeSocket.last.open();
    FakeSocket.last.snapshot('jobs', { jobs: listed });
    FakeSocket.last.delta('jobs', 1, { changed: [job('a', { phase: 'Failed' })], removed: [] });
    expect(ended).toEqual(['a']);
    vi.runAllTimers();
    expect(FakeSocket.last.sent.at(-1)).toEqual({ op: 'unsubscribe', topic: 'jobs' });
  });

  it('is told of a job that it submits', async () => {
    await model.load();
    model.put(job('mine', { phase: 'Queued' }));
    FakeSocket.last.open();
    expect(FakeSocket.last.sent).toEqual([{ op: 'subscribe', topic: 'jobs' }]);
  });

  it('finds the list going on after a short look away', () => {
    model.follow().dispose();
    FakeSocket.last.open();
    vi.advanceTimersByTime(5000);
    const back = model.follow();
    vi.advanceTimersByTime(11_000);
    expect(FakeSocket.last.sent).toEqual([{ op: 'subscribe', topic: 'jobs' }]);
    back.dispose();
    vi.advanceTimersByTime(11_000);
    expect(FakeSocket.last.sent.at(-1)?.op).toBe('unsubscribe');
  });

  it('is not told what was asked before somebody looked', async () => {
    listed = [job('old', { phase: 'Succeeded' })];
    const loading = model.load();
    model.follow();
    FakeSocket.last.open();
    FakeSocket.last.snapshot('jobs', { jobs: [job('new', { phase: 'Succeeded' })] });
    await loading;
    expect(model.jobs.map(({ id }) => id)).toEqual(['new']);
  });
});
