import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { PolicyView } from '../../api';
import type { IKernels } from '../../tokens';
import { Presence } from '../presence';
import { kernel, told } from './fakes';

describe('the sign of life of a person', () => {
  let presence: Presence;
  let posted: string[];
  let policy: PolicyView | null;
  let serverEnd: IKernels['serverEnd'];
  const known = new Set(['a', 'b']);

  beforeEach(() => {
    vi.useFakeTimers();
    posted = [];
    policy = told([]).policy;
    serverEnd = null;
    presence = new Presence({
      kernels: {
        get: id =>
          known.has(id) ? kernel(id, { state: id === 'b' ? 'warned' : 'quiet' }) : undefined,
        get policy() {
          return policy;
        },
        get serverEnd() {
          return serverEnd;
        },
        present: (ids, kind) => {
          posted.push(`${ids.join()} ${kind}`);
          return Promise.reject(new Error('nobody answers'));
        }
      },
      kernelAt: node => (node as HTMLElement).dataset.kernel ?? null
    });
  });

  afterEach(() => {
    presence.dispose();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const at = (id: string | null, isTrusted = true): Pick<Event, 'isTrusted' | 'target'> => {
    const target = document.createElement('div');
    if (id !== null) {
      target.dataset.kernel = id;
    }
    return { isTrusted, target };
  };
  const passes = (seconds: number): unknown => vi.advanceTimersByTime(seconds * 1000);

  it('is told at most once a minute for each kernel, also when nobody answered', () => {
    for (let second = 0; second < 150; second += 2) {
      presence.hear(at('a'), 'key');
      passes(2);
    }
    expect(posted).toEqual(['a key', 'a key', 'a key']);
    presence.hear(at('b'), 'pointer');
    expect(posted.at(-1)).toBe('b pointer');
  });

  it('is none where a script did it, where nobody sees the page, or beside notebooks', () => {
    presence.hear(at('a', false), 'key');
    presence.hear(at(null), 'key');
    passes(2);
    presence.hear(at('unknown'), 'key');
    passes(2);
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    presence.hear(at('a'), 'key');
    expect(posted).toEqual([]);
  });

  it('is told from anywhere in the window of a server that may end itself', () => {
    policy = { mode: 'enforce', values: { MLK_IDLE_SERVER_TTL: 3600 }, warnings: [] };
    for (let second = 0; second < 90; second += 2) {
      presence.hear(at(null), 'pointer');
      passes(2);
    }
    expect(posted).toEqual([' pointer', ' pointer']);
    presence.hear(at('a'), 'key');
    expect(posted.at(-1)).toBe('a key');
  });

  it('is told at once where the kernel or the server is about to be stopped', () => {
    policy = { mode: 'enforce', values: { MLK_IDLE_SERVER_TTL: 60 }, warnings: [] };
    presence.hear(at('b'), 'key');
    presence.hear(at(null), 'key');
    passes(2);
    presence.hear(at('b'), 'pointer');
    passes(4);
    presence.hear(at('b'), 'pointer');
    expect(posted).toEqual(['b key', 'b pointer']);
    presence.hear(at(null), 'key');
    passes(6);
    presence.hear(at(null), 'key');
    expect(posted).toEqual(['b key', 'b pointer', ' key']);
    serverEnd = { at: 1, words: 'no kernel runs' };
    passes(6);
    presence.hear(at(null), 'pointer');
    expect(posted.at(-1)).toBe(' pointer');
  });

  it('is not listened for where nothing watches over kernels, or while that is not known', () => {
    policy = { mode: 'off', values: {}, warnings: [] };
    presence.hear(at('a'), 'key');
    policy = null;
    presence.hear(at('a'), 'key');
    expect(posted).toEqual([]);
  });

  it('is none where the pointer rests and only what is below it moved, nor where a key lies pressed', () => {
    const heard = vi.spyOn(presence, 'hear');
    const move = (screenX: number): boolean =>
      document.dispatchEvent(Object.assign(new Event('pointermove'), { screenX, screenY: 7 }));
    move(1);
    move(1);
    expect(heard).not.toHaveBeenCalled();
    move(2);
    expect(heard).toHaveBeenCalledOnce();
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', repeat: true }));
    expect(heard).toHaveBeenCalledOnce();
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }));
    expect(heard).toHaveBeenCalledTimes(2);
    expect(posted).toEqual([]); // a script's events
  });

  it('is listened for no longer once nobody wants it', () => {
    const heard = vi.spyOn(presence, 'hear');
    presence.dispose();
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }));
    expect(heard).not.toHaveBeenCalled();
  });
});
