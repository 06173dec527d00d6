import { DisposableDelegate } from '@lumino/disposable';
import { describe, expect, it, vi } from 'vitest';

import type { Api, Channel, IListener } from '../../api';
import { FramesFeed, LogFeed } from '../feeds';
import { JobModel } from '../model';
import { nullTranslator } from '@jupyterlab/translation';

/** A channel that remembers who listens. */
function fakeChannel() {
  const listeners = new Map<string, IListener>();
  const subscribe = vi.fn((topic: string, listener: IListener) => {
    listeners.set(topic, listener);
    return new DisposableDelegate(() => listeners.delete(topic));
  });
  return { listeners, subscribe, channel: { subscribe } as unknown as Channel };
}

const NOTEBOOK = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: [{ cell_type: 'code', source: '', metadata: {}, outputs: [], execution_count: null }]
};
const snapshot = (running_cell: number | null) => ({
  notebook: NOTEBOOK,
  offset: 100,
  running_cell,
  final: false
});

describe('FramesFeed', () => {
  it('goes on where it stopped when it is shown again', () => {
    const { listeners, channel } = fakeChannel();
    const feed = new FramesFeed('a', {} as Api, channel);
    feed.active = true;
    const listener = listeners.get('job/a/frames')!;
    expect(listener.offset!()).toBeNull();
    listener.snapshot(snapshot(null));
    listener.delta({ frames: [], next_offset: 150, final: false });
    feed.active = false;
    expect(listeners.size).toBe(0);
    feed.active = true;
    expect(listeners.get('job/a/frames')!.offset!()).toBe(150);
  });

  it('tells what frames change and keeps the metrics of each rank', () => {
    const { listeners, channel } = fakeChannel();
    const feed = new FramesFeed('a', {} as Api, channel);
    const seen: string[] = [];
    feed.changed.connect((_, changes) => seen.push(...changes.map(({ kind }) => kind)));
    feed.active = true;
    listeners.get('job/a/frames')!.snapshot(snapshot(null));
    listeners.get('job/a/frames')!.delta({
      frames: [
        { kind: 'cell_started', rank: 0, cell: 0, count: 1 },
        { kind: 'stream', rank: 0, cell: 0, name: 'stdout', text: 'x' },
        { kind: 'metric', rank: 0, name: 'loss', value: 1, step: 0, time: 5 },
        { kind: 'metric', rank: 1, name: 'loss', value: 2, step: 0, time: 5 }
      ],
      next_offset: 200,
      final: false
    });
    expect(seen).toEqual(['run', 'stream']);
    expect(feed.series.all).toEqual([
      {
        name: 'loss',
        ranks: 2,
        series: [
          { name: 'loss', rank: 0, points: [{ at: 5, step: 0, value: 1 }] },
          { name: 'loss', rank: 1, points: [{ at: 5, step: 0, value: 2 }] }
        ]
      }
    ]);
  });

  it('asks for the notebook again once the job is over, where another rank told of an error', () => {
    vi.useFakeTimers();
    const { listeners, subscribe, channel } = fakeChannel();
    const feed = new FramesFeed('a', {} as Api, channel);
    feed.active = true;
    listeners.get('job/a/frames')!.snapshot(snapshot(null));
    const frames = [{ kind: 'error', rank: 1, seq: 0, time: 5, ename: 'ValueError' }];
    listeners.get('job/a/frames')!.delta({ frames, next_offset: 150, final: false });
    vi.runAllTimers();
    expect(subscribe).toHaveBeenCalledTimes(1);
    listeners.get('job/a/frames')!.delta({ frames: [], next_offset: 150, final: true });
    vi.runAllTimers();
    expect(subscribe).toHaveBeenCalledTimes(2);
    expect(listeners.get('job/a/frames')!.offset!()).toBeNull();
    vi.useRealTimers();
  });

  it('settles a snapshot that was taken inside a cell once the job is over', () => {
    vi.useFakeTimers();
    const { listeners, subscribe, channel } = fakeChannel();
    const feed = new FramesFeed('a', {} as Api, channel);
    feed.active = true;
    listeners.get('job/a/frames')!.snapshot(snapshot(0));
    listeners.get('job/a/frames')!.delta({ frames: [], next_offset: 150, final: true });
    vi.runAllTimers();
    expect(subscribe).toHaveBeenCalledTimes(2);
    expect(listeners.get('job/a/frames')!.offset!()).toBeNull();
    vi.useRealTimers();
  });
});

describe('LogFeed', () => {
  it('asks for the piece before what it holds', async () => {
    const { listeners, channel } = fakeChannel();
    const log = vi.fn(async () => ({
      rank: 1,
      text: 'older\n',
      offset: 20,
      next_offset: 26,
      size: 40,
      final: false
    }));
    const feed = new LogFeed('a', 1, { log } as unknown as Api, channel);
    const seen: string[] = [];
    feed.changed.connect((_, { kind, text }) => seen.push(`${kind} ${text}`));
    feed.active = true;
    const piece = { rank: 1, text: 'end', offset: 26, next_offset: 29, size: 29, final: false };
    listeners.get('job/a/log/1')!.snapshot(piece);
    await feed.older();
    expect(log).toHaveBeenCalledWith('a', 1, 0, 26);
    expect(feed.first).toBe(20);
    expect(seen).toEqual(['reset end', 'prepend older\n']);
  });

  const piece = (text: string, offset: number, next_offset: number) => ({
    rank: 0,
    text,
    offset,
    next_offset,
    size: next_offset,
    final: false
  });

  it.each([
    ['nothing new', piece('müde\n', 94, 100), []],
    ['text without its control characters', piece('plain\n', 80, 100), []],
    ['more', piece('müde\nmehr\n', 94, 105), ['append mehr\n@100']],
    ['a gap before it', piece('far\n', 200, 204), ['reset far\n@200']],
    ['less', piece('new\n', 0, 4), ['reset new\n@0']],
    ['more, and places that are not those of the file', piece('bar\n', 94, 150), ['reset bar\n@94']]
  ])('keeps what is shown when a newcomer makes the server send it again: %s', (_, again, said) => {
    const { listeners, channel } = fakeChannel();
    const feed = new LogFeed('a', 0, {} as Api, channel);
    const seen: string[] = [];
    feed.active = true;
    listeners.get('job/a/log/0')!.snapshot(piece('older\nmüde\n', 88, 100));
    feed.changed.connect((_, { kind, text, offset }) => seen.push(`${kind} ${text}@${offset}`));
    listeners.get('job/a/log/0')!.snapshot(again);
    expect(seen).toEqual(said);
    expect(feed.first).toBe(said[0]?.startsWith('reset') ? again.offset : 88);
    expect(listeners.get('job/a/log/0')!.offset!()).toBe(again.next_offset);
  });
});

describe('JobModel', () => {
  it('subscribes only what the page in view needs', () => {
    const { listeners, channel } = fakeChannel();
    const model = new JobModel('a', {} as Api, channel, nullTranslator.load(''));
    const topics = () => [...listeners.keys()].sort();
    model.log(0);
    model.show('overview');
    expect(topics()).toEqual(['job/a']);
    model.show('log');
    expect(topics()).toEqual(['job/a', 'job/a/log/0']);
    model.show('metrics');
    expect(topics()).toEqual(['job/a', 'job/a/frames']);
    model.show(null);
    expect(topics()).toEqual([]);
    model.show('overview');
    expect(topics()).toEqual(['job/a']);
    model.dispose();
    expect(topics()).toEqual([]);
  });

  it.each([0, 1])(
    'keeps the course of what rank %i logs for Overview, from the server and from each status',
    async rank => {
      const { listeners, channel } = fakeChannel();
      const points = [{ at: 1, step: 0, value: 3 }];
      const series = [{ name: 'loss', rank, ranks: 1, points }];
      const metrics = vi.fn(() => Promise.resolve({ source: 'frames', series }));
      const api = { metrics } as unknown as Api;
      const model = new JobModel('a', api, channel, nullTranslator.load(''));
      const status = (at: number, step: number, value: number) =>
        ({ phase: 'Running', run: null, metrics: [{ name: 'loss', at, step, value }] }) as never;
      model.show('overview');
      const { snapshot, delta } = listeners.get('job/a')!;
      snapshot(status(1, 0, 3));
      await vi.waitFor(() => expect(model.trends.all).toHaveLength(1));
      delta(status(2, 1, 2));
      delta(status(2, 1, 2));
      const [{ series: shown }] = model.trends.all;
      expect(shown.map(one => [one.rank, one.points.map(({ value }) => value)])).toEqual([
        [rank, [3, 2]]
      ]);
      expect(metrics).toHaveBeenCalledTimes(1);
      points.push({ at: 2, step: 1, value: 2 }, { at: 3, step: 2, value: 1 });
      delta({ ...(status(3, 2, 1) as object), phase: 'Succeeded' });
      await vi.waitFor(() => expect(model.trends.all[0].series[0].points).toHaveLength(3));
      expect(metrics, 'what came between two statuses').toHaveBeenCalledTimes(2);
      model.dispose();
    }
  );
});
