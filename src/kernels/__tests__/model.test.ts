import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, FakeSocket, settings, trans } from '../../__tests__/fakes';
import { Api, Channel } from '../../api';
import type { PolicyView } from '../../api';
import { KernelsModel } from '../model';
import { kernel, NOW, stopped, told } from './fakes';

/** The kernels that JupyterLab knows to run. */
class Running {
  constructor(public ids: readonly string[]) {}

  readonly runningChanged = new Signal<Kernel.IManager, Kernel.IModel[]>(
    this as unknown as Kernel.IManager
  );

  running(): IterableIterator<Kernel.IModel> {
    return this.ids.map(id => ({ id, name: 'python3' }) as Kernel.IModel)[Symbol.iterator]();
  }

  become(ids: readonly string[]): void {
    this.ids = ids;
    this.runningChanged.emit([]);
  }
}

describe('the kernels of a server', () => {
  let model: KernelsModel;
  let channel: Channel;
  let running: Running;
  let asked: { path: string; body: unknown; isActivity: boolean }[];
  let serve: (path: string) => Response;

  beforeEach(() => {
    asked = [];
    serve = () => answer(200, told([]));
    running = new Running(['a']);
    const api = new Api(
      settings(async request => {
        const { pathname, searchParams } = new URL(request.url);
        const path = `${request.method} ${pathname.split('/mlk/')[1]}`;
        const text = await request.text();
        const isActivity = !searchParams.has('no_track_activity');
        asked.push({ path, body: text ? JSON.parse(text) : null, isActivity });
        return serve(path);
      }),
      trans
    );
    channel = new Channel(api);
    model = new KernelsModel({ api, channel, running, trans });
    FakeSocket.all.at(-1)?.open();
  });

  afterEach(() => {
    model.dispose();
    channel.dispose();
    vi.useRealTimers();
  });

  const tell = (...args: Parameters<typeof told>): void =>
    FakeSocket.last.snapshot('kernels', told(...args));
  const ops = (): string[] => FakeSocket.last.sent.map(({ op, topic }) => `${op} ${topic}`);

  it('are followed while one runs, and no longer', () => {
    vi.useFakeTimers();
    expect(ops()).toEqual(['subscribe kernels']);
    running.become([]);
    vi.runAllTimers();
    expect(ops()).toEqual(['subscribe kernels', 'unsubscribe kernels']);
    running.become(['b']);
    FakeSocket.last.open();
    expect(ops()).toEqual(['subscribe kernels']);
  });

  it('are not followed where nothing watches over them', () => {
    vi.useFakeTimers();
    tell([], { policy: { mode: 'off', values: {}, warnings: [] } });
    running.become(['a', 'b']);
    vi.runAllTimers();
    expect(ops()).toEqual(['subscribe kernels', 'unsubscribe kernels']);
  });

  it('are the same objects as long as nothing of them changed', () => {
    tell([kernel('a'), kernel('b')]);
    const [, b] = model.kernels;
    const all = model.kernels;
    FakeSocket.last.delta('kernels', 1, told([kernel('a'), kernel('b')]));
    expect(model.kernels).toBe(all);
    FakeSocket.last.delta('kernels', 2, told([kernel('a', { cpu_pct: 3 }), kernel('b')]));
    expect(model.get('a')?.cpu_pct).toBe(3);
    expect(model.kernels[1]).toBe(b);
  });

  it('tell once of each that is about to be stopped, also of those that were when the window opened', () => {
    const warned: string[] = [];
    model.warned.connect((_, { id }) => warned.push(id));
    tell([kernel('a', { state: 'warned' }), kernel('b')]);
    tell([kernel('a', { state: 'warned', cpu_pct: 1 }), kernel('b', { state: 'warned' })]);
    expect(warned).toEqual(['a', 'b']);
    tell([kernel('a', { state: 'active' }), kernel('b', { state: 'warned' })]);
    tell([kernel('a', { state: 'warned' }), kernel('b', { state: 'warned' })]);
    expect(warned).toEqual(['a', 'b', 'a']);
  });

  it('tell of a stop once, and not of those from before the window opened', () => {
    const ended: string[] = [];
    model.ended.connect((_, { id }) => ended.push(id));
    tell([], { stopped: [stopped('old')] });
    tell([], { stopped: [stopped('new'), stopped('old')] });
    tell([], { stopped: [stopped('new'), stopped('old')] });
    expect(ended).toEqual(['new']);
    expect(model.stopped.map(({ id }) => id)).toEqual(['new', 'old']);
  });

  it('have the time of the server, whatever ours is', () => {
    vi.useFakeTimers({ now: 5_000_000_000 });
    tell([], { server_stops_at: NOW + 60, server_words: 'no kernel runs' });
    expect(model.serverEnd).toEqual({ at: NOW + 60, words: 'no kernel runs' });
    expect(model.now()).toBe(NOW);
    vi.advanceTimersByTime(30_000);
    expect(model.now()).toBe(NOW + 30);
  });

  it('are kept, released, stopped and taken away by requests that a person made', async () => {
    await model.keep('a', 7200, 'training');
    await model.release('a');
    await model.stop('a');
    await model.dismiss('a');
    expect(asked.filter(({ path }) => !path.startsWith('GET'))).toEqual([
      { path: 'POST idle/a/lease', body: { seconds: 7200, reason: 'training' }, isActivity: true },
      { path: 'DELETE idle/a/lease', body: null, isActivity: true },
      { path: 'POST idle/a/stop', body: {}, isActivity: true },
      { path: 'DELETE idle/stopped/a', body: null, isActivity: true }
    ]);
    expect(model.isReady).toBe(true);
  });

  it('say why something could not be done, in the words of the server', async () => {
    serve = () =>
      answer(409, { code: 'lease_too_long', title: 'No', detail: 'At most 24 h.', hint: '' });
    await expect(model.keep('a', 1e9)).rejects.toMatchObject({ detail: 'At most 24 h.' });
  });

  it('take a notice away that is gone already, and say where one could not be', async () => {
    const refuse = (code: string) => () =>
      answer(404, { code, title: 'No', detail: `It is ${code}.`, hint: '' });
    serve = refuse('notice_not_found');
    await expect(model.dismiss('a')).resolves.toBeUndefined();
    serve = refuse('forbidden');
    await expect(model.dismiss('a')).rejects.toMatchObject({ detail: 'It is forbidden.' });
  });

  it('hear of a person without taking it for activity of the whole server', async () => {
    await model.present(['a'], 'key');
    expect(asked).toEqual([
      { path: 'POST idle/presence', body: { kernels: ['a'], kind: 'key' }, isActivity: false }
    ]);
  });

  it('are asked for once when the window opens without a kernel', async () => {
    running.become([]);
    model.dispose();
    const api = new Api(
      settings(() => answer(200, told([], { server_ended: 'It was idle.' }))),
      trans
    );
    model = new KernelsModel({ api, channel, running, trans });
    await model.load();
    await model.load();
    expect(model.serverEnded).toBe('It was idle.');
    expect(FakeSocket.all).toEqual([]);
  });

  it('are followed without a kernel where the whole server may end', async () => {
    running.become([]);
    model.dispose();
    const policy: PolicyView = {
      mode: 'enforce',
      values: { MLK_IDLE_SERVER_TTL: 3600 },
      warnings: []
    };
    const api = new Api(
      settings(() => answer(200, told([], { policy }))),
      trans
    );
    model = new KernelsModel({ api, channel, running, trans });
    await model.load();
    expect(FakeSocket.all).toHaveLength(1);
  });

  it('say what is wrong where they cannot be read, and stay known', () => {
    tell([kernel('a')]);
    FakeSocket.last.tell({
      topic: 'kernels',
      kind: 'error',
      seq: 1,
      data: { code: 'bad_policy', title: 'MLK_IDLE_TTL', detail: '“soon”', hint: '' }
    });
    expect(model.error?.detail).toBe('“soon”');
    expect(model.kernels).toHaveLength(1);
  });
});
