import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, FakeSocket, settings, trans } from '../../__tests__/fakes';
import { JobsModel } from '../../jobs/model';
import { Api } from '../requests';
import { Channel } from '../socket';
import type { IListener, Link } from '../socket';

function listener(offset?: number): IListener & { got: unknown[] } {
  const got: unknown[] = [];
  return {
    got,
    snapshot: data => got.push(['snapshot', data]),
    delta: data => got.push(['delta', data]),
    error: error => got.push(['error', error.code]),
    ...(offset === undefined ? {} : { offset: () => offset })
  };
}

describe('the channel', () => {
  let api: Api;
  let channel: Channel;
  let links: Link[];
  let serve: () => Response | Promise<Response>;

  beforeEach(() => {
    vi.useFakeTimers();
    serve = () => answer(200, {});
    make();
  });

  afterEach(() => {
    channel.dispose();
    vi.useRealTimers();
  });

  function make(options: Parameters<typeof settings>[1] = {}): void {
    channel?.dispose();
    api = new Api(
      settings(() => serve(), options),
      trans
    );
    channel = new Channel(api, () => 1);
    links = [];
    channel.linkChanged.connect((_, link) => links.push(link));
  }

  it('opens with the first subscription and closes with the last', () => {
    expect(FakeSocket.all).toHaveLength(0);
    const one = channel.subscribe('jobs', listener());
    FakeSocket.last.open();
    expect(FakeSocket.last.url).toBe('ws://localhost:8888/user/me/mlk/channel');
    expect(FakeSocket.last.sent).toEqual([{ op: 'subscribe', topic: 'jobs' }]);
    one.dispose();
    expect(FakeSocket.last.sent.at(-1)).toEqual({ op: 'unsubscribe', topic: 'jobs' });
    expect(FakeSocket.last.readyState).toBe(3);
  });

  it('puts the token into the address only where settings say so', () => {
    make({ token: 'a b', appendToken: true });
    channel.subscribe('jobs', listener());
    expect(FakeSocket.last.url).toBe('ws://localhost:8888/user/me/mlk/channel?token=a%20b');
  });

  it('gives each topic to its listeners, first a snapshot, then deltas', () => {
    const [jobs, log] = [listener(), listener()];
    channel.subscribe('jobs', jobs);
    channel.subscribe('job/a/log/0', log);
    const socket = FakeSocket.last;
    socket.open();
    socket.snapshot('jobs', 1);
    socket.delta('jobs', 1, 2);
    socket.snapshot('job/a/log/0', 'x');
    expect(jobs.got).toEqual([
      ['snapshot', 1],
      ['delta', 2]
    ]);
    expect(log.got).toEqual([['snapshot', 'x']]);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it('answers pings', () => {
    channel.subscribe('jobs', listener());
    FakeSocket.last.open();
    FakeSocket.last.tell({ topic: '', kind: 'ping', seq: 7, data: null });
    expect(FakeSocket.last.sent.at(-1)).toEqual({ op: 'pong', topic: '' });
  });

  it('subscribes again when a message is missing, and drops what comes until then', () => {
    const jobs = listener();
    channel.subscribe('jobs', jobs);
    const socket = FakeSocket.last;
    socket.open();
    socket.snapshot('jobs', 'old');
    socket.delta('jobs', 2, 'after a gap');
    socket.delta('jobs', 3, 'of the old subscription');
    expect(socket.sent.filter(({ op }) => op === 'subscribe')).toHaveLength(2);
    socket.snapshot('jobs', 'new');
    socket.delta('jobs', 1, 'next');
    expect(jobs.got).toEqual([
      ['snapshot', 'old'],
      ['snapshot', 'new'],
      ['delta', 'next']
    ]);
  });

  it('comes back after a broken connection and goes on where a listener was', () => {
    channel.subscribe('job/a/log/0', listener(4096));
    FakeSocket.last.open();
    FakeSocket.last.break();
    expect(channel.link).toBe('reconnecting');
    vi.advanceTimersByTime(499);
    expect(FakeSocket.all).toHaveLength(1);
    vi.advanceTimersByTime(1);
    FakeSocket.last.open();
    expect(FakeSocket.last.sent).toEqual([{ op: 'subscribe', topic: 'job/a/log/0', offset: 4096 }]);
    expect(links).toEqual(['live', 'reconnecting', 'live']);
  });

  it('waits longer after each failure, at most 30 s, and starts small after a success', () => {
    channel.subscribe('jobs', listener());
    const waits: number[] = [];
    for (let failure = 0; failure < 8; failure++) {
      const count = FakeSocket.all.length;
      FakeSocket.last.break();
      let waited = 0;
      while (FakeSocket.all.length === count) {
        vi.advanceTimersByTime(500);
        waited += 500;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    FakeSocket.last.open();
    FakeSocket.last.snapshot('jobs', 1);
    const count = FakeSocket.all.length;
    FakeSocket.last.break();
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(count + 1);
  });

  describe('of a tab that nobody touches', () => {
    let asked: number;
    let sockets: number;

    /** What a window with the panel in view does for 45 s after its server was stopped. */
    async function leaveAlone(reply: () => Response | Promise<Response>): Promise<void> {
      asked = 0;
      serve = () => {
        asked += 1;
        return reply();
      };
      const jobs = new JobsModel({ api, channel, trans });
      jobs.follow();
      FakeSocket.last.open();
      FakeSocket.last.snapshot('jobs', { jobs: [] });
      FakeSocket.last.break();
      for (let ms = 0; ms < 45_000; ms += 100) {
        await vi.advanceTimersByTimeAsync(100);
        if (FakeSocket.last.readyState !== 3) {
          FakeSocket.last.break();
        }
        if (ms % 5000 === 0) {
          channel.subscribe(`job/${ms}`, listener()).dispose();
        }
      }
      sockets = FakeSocket.all.length - 1;
    }

    it('leaves a server alone that refuses the login, until a person asks', async () => {
      await leaveAlone(() => answer(403, { message: 'Forbidden' }));
      expect(sockets + asked).toBeLessThanOrEqual(4);
      expect(links).toEqual(['live', 'reconnecting', 'not-allowed']);
      channel.subscribe('backends', listener());
      window.dispatchEvent(new Event('online'));
      expect(FakeSocket.all).toHaveLength(sockets + 1);
      channel.retry();
      expect(FakeSocket.all).toHaveLength(sockets + 2);
      FakeSocket.last.open();
      expect(channel.link).toBe('live');
    });

    it.each<[Link, () => Response | Promise<Response>]>([
      ['server-gone', () => Promise.reject(new TypeError('Failed to fetch'))],
      ['server-gone', () => answer(424, { message: 'not running' })],
      ['reconnecting', () => answer(503, { code: 'login_unavailable', title: 'Away' })]
    ])('asks ever more seldom while it is %s', async (link, reply) => {
      await leaveAlone(reply);
      expect(sockets).toBeLessThanOrEqual(7);
      expect(asked).toBeLessThanOrEqual(7);
      expect([...new Set(links)]).toEqual([...new Set(['live', 'reconnecting', link])]);
      expect(links.length).toBeLessThanOrEqual(3);
    });

    it('takes no connection for a success on which nothing was said', () => {
      channel.subscribe('jobs', listener());
      for (let ms = 0; ms < 45_000; ms += 100) {
        if (FakeSocket.last.readyState !== 3) {
          FakeSocket.last.open();
          FakeSocket.last.break();
        }
        vi.advanceTimersByTime(100);
      }
      expect(FakeSocket.all.length).toBeLessThanOrEqual(8);
    });
  });

  it.each<[Link, () => Response | Promise<Response>]>([
    ['server-gone', () => Promise.reject(new TypeError('Failed to fetch'))],
    ['server-gone', () => answer(503, '<html>')],
    ['not-allowed', () => answer(403, { message: 'Forbidden' })],
    ['missing', () => answer(404, { message: 'Not Found' })],
    ['reconnecting', () => answer(200, {})]
  ])('says %s when it cannot come back and the server says so', async (link, reply) => {
    serve = reply;
    channel.subscribe('jobs', listener());
    FakeSocket.last.open();
    FakeSocket.last.break();
    vi.advanceTimersByTime(500);
    FakeSocket.last.break();
    await vi.advanceTimersByTimeAsync(0);
    expect(channel.link).toBe(link);
  });

  it('gives up a connection that says nothing', () => {
    channel.subscribe('jobs', listener());
    const silent = FakeSocket.last;
    silent.open();
    vi.advanceTimersByTime(44_000);
    expect(FakeSocket.last).toBe(silent);
    vi.advanceTimersByTime(2000);
    expect(FakeSocket.last).not.toBe(silent);
    expect(silent.readyState).toBe(3);
  });

  it('tries at once when the network or the window comes back', () => {
    channel.subscribe('jobs', listener());
    FakeSocket.last.break();
    window.dispatchEvent(new Event('online'));
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.last.break();
    document.dispatchEvent(new Event('visibilitychange'));
    expect(FakeSocket.all).toHaveLength(3);
  });

  it('rests while nobody sees the window, and goes on where it was when somebody does', () => {
    const visible = vi.spyOn(document, 'visibilityState', 'get');
    const see = (state: DocumentVisibilityState): void => {
      visible.mockReturnValue(state);
      document.dispatchEvent(new Event('visibilitychange'));
    };
    channel.subscribe('job/a/log/0', listener(4096));
    const first = FakeSocket.last;
    first.open();
    see('hidden');
    vi.advanceTimersByTime(30_000);
    see('visible');
    see('hidden');
    vi.advanceTimersByTime(59_000);
    expect(first.readyState).toBe(FakeSocket.OPEN);
    vi.advanceTimersByTime(1000);
    expect(first.readyState).toBe(3);
    channel.subscribe('jobs', listener());
    vi.advanceTimersByTime(120_000);
    expect(FakeSocket.all).toHaveLength(1);
    see('visible');
    FakeSocket.last.open();
    expect(FakeSocket.last.sent).toEqual([
      { op: 'subscribe', topic: 'job/a/log/0', offset: 4096 },
      { op: 'subscribe', topic: 'jobs' }
    ]);
    expect(links).toEqual(['live', 'connecting', 'live']);
  });

  it('asks for a new snapshot when a second listener joins a topic', () => {
    const [first, second] = [listener(), listener()];
    channel.subscribe('job/a', first);
    const socket = FakeSocket.last;
    socket.open();
    socket.snapshot('job/a', 1);
    const joined = channel.subscribe('job/a', second);
    expect(socket.sent.filter(({ op }) => op === 'subscribe')).toHaveLength(2);
    socket.snapshot('job/a', 2);
    expect(second.got).toEqual([['snapshot', 2]]);
    joined.dispose();
    expect(socket.sent.at(-1)?.op).toBe('subscribe');
    socket.delta('job/a', 1, 3);
    expect(first.got.at(-1)).toEqual(['delta', 3]);
  });

  it('tells of an error of a topic and asks again only on a retry', () => {
    const gone = listener();
    channel.subscribe('job/gone', gone);
    const socket = FakeSocket.last;
    socket.open();
    socket.tell({
      topic: 'job/gone',
      kind: 'error',
      seq: 0,
      data: { code: 'job_not_found', title: '', detail: '', hint: '' }
    });
    expect(gone.got).toEqual([['error', 'job_not_found']]);
    expect(socket.sent).toHaveLength(1);
    channel.retry();
    expect(socket.sent).toHaveLength(2);
  });

  it('lets no listener keep the others from their message', () => {
    const complain = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const good = listener();
    channel.subscribe('jobs', {
      snapshot: () => {
        throw new Error('a bug');
      },
      delta: () => undefined
    });
    channel.subscribe('jobs', good);
    FakeSocket.last.open();
    FakeSocket.last.snapshot('jobs', 1);
    expect(good.got).toEqual([['snapshot', 1]]);
    expect(complain).toHaveBeenCalledOnce();
  });

  it('does nothing more once it is disposed', () => {
    channel.subscribe('jobs', listener());
    FakeSocket.last.break();
    channel.dispose();
    vi.advanceTimersByTime(60_000);
    window.dispatchEvent(new Event('online'));
    expect(FakeSocket.all).toHaveLength(1);
  });
});
