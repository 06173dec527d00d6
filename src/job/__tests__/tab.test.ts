import { DisposableDelegate } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';
import { screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend, cluster, job, places, trans } from '../../__tests__/fakes';
import type { Api } from '../../api';
import type { IBackends, IMlkChannel } from '../../tokens';
import { JobModel } from '../model';
import { JobTab } from '../tab';
import type { IJobTabOptions } from '../tab';

describe('the tab of a job', () => {
  it('keeps the keyboard when a button leads to another page, and goes without an error', async () => {
    const error = vi.spyOn(console, 'error');
    const channel = {
      subscribe: (topic: string, { snapshot }: { snapshot: (data: unknown) => void }) => {
        if (topic === 'job/a') {
          const spec = { parameters: {}, env: {}, files: [], arguments: [], cluster: cluster() };
          const none = { failure: null, notices: [], timeline: [], attempts: [], folder: null };
          snapshot({ ...job('a'), ...none, spec, ranks: [RANK], owner: null });
        }
        return new DisposableDelegate(() => undefined);
      }
    };
    const never = { metrics: () => new Promise(() => undefined) };
    const model = new JobModel(
      'a',
      never as unknown as Api,
      channel as unknown as IMlkChannel,
      trans
    );
    const tab = new JobTab({
      model,
      backends: places(backend('local')) as unknown as IBackends,
      follow: () => new DisposableDelegate(() => undefined),
      page: 'overview',
      trans,
      actions: {} as IJobTabOptions['actions'],
      onCopy: vi.fn(),
      notebookPage: vi.fn(),
      logPage: () => Object.assign(new Widget(), { rank: 0 }) as never,
      metricsPage: vi.fn()
    });
    Widget.attach(tab, document.body);
    const button = await screen.findByTitle('Show the log of rank 3');
    button.focus();
    button.click();
    expect(tab.page).toBe('log');
    expect(document.activeElement).toBe(screen.getByRole('tab', { name: 'Log' }));
    tab.dispose();
    expect(error).not.toHaveBeenCalled();
  });
});

const RANK = {
  rank: 3,
  worker: 0,
  state: 'running',
  where: null,
  pid: 1,
  exit_code: null,
  signal: null,
  sample: null,
  last_line: null,
  why: null
};
