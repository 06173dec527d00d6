import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, backend, FakeSocket, settings, trans } from '../../__tests__/fakes';
import { Api, Channel } from '../../api';
import { BackendsModel } from '../model';

describe('the places where jobs run', () => {
  let model: BackendsModel;
  let api: Api;
  let channel: Channel;
  let asked: string[];
  let serve: (path: string) => Response;

  beforeEach(() => {
    asked = [];
    serve = () => answer(500, {});
    api = new Api(
      settings(request => {
        const path = `${request.method} ${new URL(request.url).pathname.split('/mlk/')[1]}`;
        asked.push(path);
        return serve(path);
      }),
      trans
    );
    channel = new Channel(api);
    model = new BackendsModel({ api, channel, trans });
    model.follow();
    FakeSocket.last.open();
  });

  afterEach(() => {
    model.dispose();
    channel.dispose();
  });

  const tell = (...backends: unknown[]): void => FakeSocket.last.snapshot('backends', { backends });
  const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

  it('come over the socket, the chosen one first, each time all of them', () => {
    expect(model.chosen).toBeUndefined();
    tell(backend('prod'), backend('local'));
    FakeSocket.last.delta('backends', 1, {
      backends: [backend('prod', { watch: 'reconnecting' }), backend('local')]
    });
    expect(model.chosen?.name).toBe('prod');
    expect(model.get('prod')?.watch).toBe('reconnecting');
    expect(model.get('gone')).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('are asked for by a request when the socket cannot tell, and once', async () => {
    serve = () => answer(200, { backend: backend('local'), backends: [] });
    FakeSocket.last.tell({ topic: 'backends', kind: 'error', seq: 0, data: {} });
    expect((await model.load()).map(({ name }) => name)).toEqual(['local']);
    await model.load();
    expect(asked.every(path => path === 'GET info')).toBe(true);
  });

  it('stay known when nobody answers', async () => {
    tell(backend('local'));
    await model.refresh();
    expect(model.chosen?.name).toBe('local');
  });

  it('are searched for what is left of jobs once a cluster is watched, not before, and once', async () => {
    serve = () => answer(200, { orphans: [] });
    tell(backend('local'), backend('prod', { watch: 'connecting' }));
    await model.lookForOrphans();
    expect(model.orphans).toBeNull();
    tell(backend('local'), backend('prod'));
    await model.lookForOrphans();
    await model.lookForOrphans();
    expect(asked).toEqual(['GET orphans']);
    expect(model.orphans).toEqual([]);
  });

  it('do not say that nothing is left when nobody could look', async () => {
    tell(backend('prod'));
    await model.lookForOrphans();
    expect(model.orphans).toBeNull();
  });

  it('count what was removed, and keep what is left when the cluster refuses', async () => {
    const orphans = [{ kind: 'Service', name: 'a', job: 'a', created_at: null }];
    serve = () => answer(200, { orphans });
    tell(backend('prod'));
    await model.lookForOrphans();
    serve = () => answer(403, { code: 'forbidden', title: 'No', detail: 'delete', hint: '' });
    await expect(model.removeOrphans()).rejects.toMatchObject({ code: 'forbidden' });
    expect(model.orphans).toHaveLength(1);
    serve = () => answer(200, { orphans });
    expect(await model.removeOrphans()).toBe(1);
    expect(model.orphans).toEqual([]);
    await settled();
    expect(asked.at(-1)).toBe('DELETE orphans');
  });

  it('are followed while somebody looks or a cluster is away, and else asked for once', async () => {
    serve = () => answer(200, { backend: backend('prod'), backends: [backend('prod')] });
    model.dispose();
    FakeSocket.all = [];
    vi.useFakeTimers();
    model = new BackendsModel({ api, channel, trans });
    await model.load();
    await model.load();
    expect(asked).toEqual(['GET info']);
    expect(FakeSocket.all).toEqual([]);
    serve = () =>
      answer(200, { backend: {}, backends: [backend('prod', { watch: 'reconnecting' })] });
    await model.refresh();
    FakeSocket.last.open();
    tell(backend('prod'));
    vi.runAllTimers();
    expect(FakeSocket.last.sent.map(({ op }) => op)).toEqual(['subscribe', 'unsubscribe']);
    vi.useRealTimers();
  });
});
