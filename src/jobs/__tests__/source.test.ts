import { ServerConnection } from '@jupyterlab/services';
import { describe, expect, it, vi } from 'vitest';

import { answer, trans } from '../../__tests__/fakes';
import { contentsPath } from '../contentspath';
import { findSource } from '../source';

describe('contentsPath', () => {
  it.each([
    ['a contents path as it is', 'work/a.ipynb', '/home/ada', 'work/a.ipynb'],
    ['what is below the root', '/home/ada/work/a.ipynb', '/home/ada', 'work/a.ipynb'],
    ['the same with a slash behind the root', '/srv/a.ipynb', '/srv/', 'a.ipynb'],
    ['all of the path below /', '/tmp/a.ipynb', '/', 'tmp/a.ipynb'],
    ['what follows the tail of a root in the home folder', '/root/work/a/b.py', '~/work', 'a/b.py'],
    ['the first such place', '/home/ada/work/x/work/b.py', '~/work', 'x/work/b.py'],
    ['a path without detours', '/srv/x/../a.ipynb', '/srv', 'a.ipynb'],
    ['nothing beside the root', '/tmp/a.ipynb', '/home/ada', null],
    ['nothing in a folder whose name only begins so', '/srv2/a.ipynb', '/srv', null],
    ['nothing above the root', '/srv/../a.ipynb', '/srv', null],
    ['nothing beside a root in the home folder', '/root/other/a.ipynb', '~/work', null],
    ['nothing where no home folder can be', '/work/a.ipynb', '~/work', null],
    ['nothing when only the home folder is known', '/root/a.ipynb', '~', null],
    ['nothing when the root is not known', '/root/a.ipynb', '', null]
  ])('gives %s', (_, notebook, root, expected) => {
    expect(contentsPath(notebook, root)).toBe(expected);
  });
});

describe('findSource', () => {
  const find = (notebook: string, get: () => Promise<never>) =>
    findSource(notebook, '/srv', { get: vi.fn(get) }, trans);
  const refusing = (status: number) => () =>
    Promise.reject(new ServerConnection.ResponseError(answer(status, {})));

  it('gives the path of a file that is there, and does not fetch what is in it', async () => {
    const get = vi.fn().mockResolvedValue({});
    await expect(findSource('/srv/a.ipynb', '/srv', { get }, trans)).resolves.toBe('a.ipynb');
    expect(get).toHaveBeenCalledWith('a.ipynb', { content: false });
  });

  it('says that a file is outside, gone or never was, and where the copy is', async () => {
    const hint = 'The job’s own copy is on its page Notebook.';
    await expect(find('/tmp/a.ipynb', refusing(404))).rejects.toMatchObject({
      detail: 'It is not below this server’s folder.',
      hint
    });
    await expect(find('/srv/a.ipynb', refusing(404))).rejects.toMatchObject({
      detail: 'There is no such file in the folder of this server.',
      hint
    });
  });

  it('does not call a file missing when the server fails', async () => {
    await expect(find('a.ipynb', refusing(500))).rejects.toBeInstanceOf(
      ServerConnection.ResponseError
    );
  });
});
