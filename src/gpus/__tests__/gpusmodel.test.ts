import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, FakeSocket, settings, trans } from '../../__tests__/fakes';
import { Api, Channel } from '../../api';
import { GpusModel } from '../model';
import { advice, cluster, told } from './fakes';

let asked: string[];
let serve: (path: string) => Response;
let api: Api;
let channel: Channel;

beforeEach(() => {
  asked = [];
  serve = () => answer(200, told());
  api = new Api(
    settings(request => {
      // what is not GET bears a number against caches
      const path = `${request.method} ${request.url.split('/mlk/')[1]}`.replace(/\?\d+$/, '');
      asked.push(path);
      return serve(path);
    }),
    trans
  );
  channel = new Channel(api);
});

afterEach(() => {
  channel.dispose();
  vi.useRealTimers();
});

const ops = (): string[] => FakeSocket.last.sent.map(({ op, topic }) => `${op} ${topic}`);

describe('the accelerators', () => {
  let model: GpusModel;

  beforeEach(() => (model = new GpusModel({ api, channel, trans })));
  afterEach(() => model.dispose());

  const follow = () => {
    const held = model.follow();
    FakeSocket.last.open();
    return held;
  };

  it('are asked for by nobody, and followed once for all who look', () => {
    expect(FakeSocket.all).toHaveLength(0);
    follow();
    model.follow();
    expect(ops()).toEqual(['subscribe gpus']);
  });

  it('keep the nodes of which nothing changed', () => {
    follow();
    const gpus = cluster(16);
    FakeSocket.last.snapshot('gpus', gpus);
    const [first, second] = model.gpus!.places[0].nodes;
    const [place] = gpus.places;
    const nodes = [place.nodes[0], { ...place.nodes[1], is_cordoned: true }];
    FakeSocket.last.delta('gpus', 1, { ...gpus, places: [{ ...place, nodes }] });
    expect(model.gpus!.places[0].nodes[0]).toBe(first);
    expect(model.gpus!.places[0].nodes[1]).not.toBe(second);
  });

  it('tell the server of a dismissal only once it can no longer be undone', async () => {
    vi.useFakeTimers();
    follow();
    serve = () => answer(204, null);
    FakeSocket.last.snapshot('gpus', told({ advice: [advice('a'), advice('b')] }));
    model.dismiss('a');
    model.dismiss('b');
    model.restore('b');
    expect([[...model.dismissed], asked]).toEqual([['a'], []]);
    await vi.runOnlyPendingTimersAsync();
    expect(asked).toEqual(['POST gpus/advice/a/dismiss']);
    expect(model.dismissed.size).toBe(0);
    expect(model.gpus?.advice.map(({ id }) => id)).toEqual(['b']);
  });

  it('tell what is wrong until they are told again', () => {
    follow();
    const error = { code: 'x', title: 'Away', detail: '', hint: '' };
    FakeSocket.last.tell({ topic: 'gpus', kind: 'error', seq: 0, data: error });
    expect(model.error?.title).toBe('Away');
    FakeSocket.last.snapshot('gpus', told());
    expect(model.error).toBeNull();
  });
});
