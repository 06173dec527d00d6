import { describe, expect, it } from 'vitest';

import { cluster } from '../../__tests__/fakes';
import type { JobSpec } from '../../api';
import { LastUsed, toOptions } from '../lastused';

const filled = { name: 'train', notebook: 'train.ipynb', workers: 1 };

/** A state database that lives in the test. */
function database() {
  const kept = new Map<string, unknown>();
  return {
    fetch: (id: string) => Promise.resolve(kept.get(id) as never),
    save: (id: string, value: unknown) => Promise.resolve(void kept.set(id, value))
  };
}

const spec = (fields: object) =>
  ({ ...filled, cluster: cluster(), ...fields }) as unknown as JobSpec;

describe('what was used last', () => {
  it('is kept for each notebook, with where it ran', async () => {
    const state = database();
    const used = new LastUsed(state);
    expect(await used.get('a.ipynb')).toBeUndefined();
    await used.put('a.ipynb', { spec: spec({ workers: 4 }), backend: 'local' }, false);
    await used.put('b.py', { spec: spec({ workers: 2 }), backend: 'prod' }, true);
    const again = new LastUsed(state);
    expect(await again.get('a.ipynb')).toMatchObject({ options: { workers: 4 }, backend: 'local' });
    expect(await again.get('b.py')).toMatchObject({ options: { workers: 2 }, backend: 'prod' });
  });

  it('is what the latest job was asked with, but a job on this machine forgets no cluster', async () => {
    const used = new LastUsed(database());
    await used.put(
      'a.ipynb',
      { spec: spec({ cluster: cluster({ image: 'i:1' }) }), backend: 'prod' },
      true
    );
    await used.put('a.ipynb', { spec: spec({ workers: 3 }), backend: 'local' }, false);
    expect(await used.get('a.ipynb')).toMatchObject({
      options: { workers: 3, cluster: { image: 'i:1' } },
      backend: 'local'
    });
  });

  it('is forgotten of notebooks that were not used for long, not of this one', async () => {
    const used = new LastUsed(database());
    for (let at = 0; at < 120; at++) {
      await used.put(`${at}.ipynb`, { spec: spec({}), backend: 'local' }, false);
      await used.put('kept.ipynb', { spec: spec({}), backend: 'local' }, false);
    }
    expect(await used.get('0.ipynb')).toBeUndefined();
    expect(await used.get('119.ipynb')).toBeDefined();
    expect(await used.get('kept.ipynb')).toBeDefined();
  });

  it('is nothing where nothing can be kept, or where what is kept is no longer read', async () => {
    const none = new LastUsed(null);
    await none.put('a.ipynb', { spec: spec({}), backend: 'local' }, false);
    expect(await none.get('a.ipynb')).toBeUndefined();
    const odd = database();
    await odd.save('mlk-jupyter:last-used', { notebooks: 'old' });
    expect(await new LastUsed(odd).get('a.ipynb')).toBeUndefined();
  });
});

describe('what is remembered', () => {
  it('is all but its own path and values that look secret', () => {
    const spec = {
      ...filled,
      arguments: ['--epochs', '3', '--max-tokens', '512', '--keyframes', 'data/patches'],
      parameters: { lr: 1, api_key: 'k', key: 3, tokenizer: 'bpe' },
      env: {
        HF_TOKEN: 'hf_x',
        AWS_SECRET_ACCESS_KEY: 'y',
        OPENAI_KEY: 'z',
        APIKEY: 'z',
        DATABASE: 'postgresql://ada:hunter2@db/x',
        DATA: 'https://data.example/ada@home:x',
        NCCL_DEBUG: 'INFO'
      }
    } as unknown as JobSpec;
    expect(toOptions(spec, false)).toEqual({
      name: 'train',
      workers: 1,
      arguments: ['--epochs', '3', '--max-tokens', '512', '--keyframes', 'data/patches'],
      parameters: { lr: 1, key: 3, tokenizer: 'bpe' },
      env: { DATA: 'https://data.example/ada@home:x', NCCL_DEBUG: 'INFO' }
    });
  });

  it.each([
    [['--lr', '1', '--token', 'hunter2']],
    [['--hf_token=hunter2']],
    [['--api-key', 'hunter2']],
    [['--wandb-key=hunter2']],
    [['--db', 'postgresql://ada:hunter2@db/x']],
    [['--url', 'https://data.example/x?key=hunter2']]
  ])('has no arguments at all where one tells of a secret: %j', words => {
    const spec = { ...filled, arguments: words } as unknown as JobSpec;
    expect(toOptions(spec, false)).toMatchObject({ workers: 1, arguments: [] });
  });

  it('is without secrets of a cluster too, which is not forgotten by a job on this machine', () => {
    const spec = {
      name: 'a',
      notebook: 'a.ipynb',
      cluster: cluster({
        image: 'a',
        staging: ['fetch', '--token', 'hunter2'],
        annotations: { note: 'x', 'api-token': 'y' }
      })
    } as unknown as JobSpec;
    const options = toOptions(spec, true);
    expect(options.cluster).toMatchObject({ image: 'a', annotations: { note: 'x' } });
    expect(JSON.stringify(options)).not.toContain('hunter2');
    expect(options.cluster).not.toHaveProperty('volumes');
    const bare = { ...spec, cluster: cluster() };
    expect(toOptions(bare, false, options).cluster).toEqual(options.cluster);
    expect(toOptions(bare, false)).not.toHaveProperty('cluster');
  });
});
