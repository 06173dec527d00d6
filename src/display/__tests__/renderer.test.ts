import { MimeModel, RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { answer, backend, FakeSocket, job, places, settings, trans } from '../../__tests__/fakes';
import { Api, Channel } from '../../api';
import type { JobStatus, JobSummary } from '../../api';
import type { IBackends, IJobs } from '../../tokens';
import { JOB_MIME, JobDisplay } from '../renderer';

const HTML = '<p>pi: Running as the notebook has it</p>';

describe('an output that names a job', () => {
  let channel: Channel;
  let shown: JobDisplay;
  const known = new Map<string, JobSummary>();
  const onStop = vi.fn();
  const onOpen = vi.fn();
  const rendermime = new RenderMimeRegistry({ initialFactories: standardRendererFactories });

  beforeEach(() => {
    known.clear();
    const api = new Api(
      settings(() => answer(200, { source: 'frames', series: [] })),
      trans
    );
    channel = new Channel(api);
    const jobs = {
      get: (id: string) => known.get(id),
      put: (job: JobSummary) => known.set(job.id, job),
      marks: new Map([['pi-1', 'lr=0.05']]),
      changed: new Signal({})
    };
    shown = new JobDisplay({
      api,
      channel,
      jobs: jobs as unknown as IJobs,
      backends: places(backend('local')) as unknown as IBackends,
      rendermime,
      trans,
      onStop,
      onOpen
    });
    Widget.attach(shown, document.body);
  });

  afterEach(() => {
    shown.dispose();
    channel.dispose();
    document.body.replaceChildren();
  });

  const render = (named: ReadonlyPartialJSONObject, html = HTML) =>
    shown.renderModel(new MimeModel({ data: { [JOB_MIME]: named, 'text/html': html } }));
  const status = (fields: Partial<JobSummary> = {}): JobStatus =>
    ({ ...job('pi-1', { name: 'pi', ...fields }), ranks: [], notices: [] }) as unknown as JobStatus;
  const words = (): string => shown.node.textContent ?? '';

  it('is drawn live once the server has told of the job, in place of what the notebook has', async () => {
    await render({ id: 'pi-1' });
    expect(words()).toContain('as the notebook has it');
    FakeSocket.last.open();
    FakeSocket.last.snapshot('job/pi-1', status());
    FakeSocket.last.snapshot('job/pi-1/log/0', { text: 'a\n\x1b[31mred\x1b[0m\n10%\r20%\n' });
    await waitFor(() => expect(screen.getByRole('status').textContent).toBe('Running'));
    expect(words()).not.toContain('as the notebook has it');
    expect(words()).toContain('lr=0.05');
    const log = screen.getByRole('log');
    expect(log.textContent).toBe('a\nred\n20%');
    expect([log.getAttribute('aria-live'), log.tabIndex]).toEqual(['off', 0]);
    FakeSocket.last.delta('job/pi-1', 1, status({ phase: 'Succeeded' }));
    await waitFor(() => expect(screen.getByRole('status').textContent).toBe('Succeeded'));
    expect(screen.queryByRole('button', { name: 'Stop' })).toBeNull();
  });

  it('says in words how many of its processes are where, and does not tick out of sight', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    await render({ id: 'pi-1' });
    FakeSocket.last.open();
    const ranks = ['running', 'failed', 'running'].map((state, rank) => ({
      rank,
      state,
      why: null
    }));
    FakeSocket.last.snapshot('job/pi-1', { ...status(), ranks });
    await waitFor(() => expect(words()).toContain('Running: 2, Failed: 1'));
    expect(vi.getTimerCount()).toBe(1);
    shown.hide();
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(0));
    vi.useRealTimers();
  });

  it('asks nobody but the server: its buttons know of no kernel', async () => {
    await render({ id: 'pi-1' });
    FakeSocket.last.open();
    FakeSocket.last.snapshot('job/pi-1', status());
    const section = await screen.findByRole('region', { name: 'Job pi' });
    expect(known.has('pi-1'), 'what a command needs').toBe(true);
    fireEvent.click(within(section).getByRole('button', { name: 'Stop' }));
    fireEvent.click(within(section).getByRole('button', { name: 'Open job' }));
    expect(onStop).toHaveBeenCalledWith('pi-1');
    expect(onOpen).toHaveBeenCalledWith('pi-1', 'overview');
  });

  it('is what the notebook has where the server does not know the job, and when it was deleted', async () => {
    await render({ id: 'pi-1' });
    FakeSocket.last.open();
    const gone = { code: 'job_not_found', title: 'No such job', detail: '', hint: '' };
    FakeSocket.last.tell({ topic: 'job/pi-1', kind: 'error', seq: 0, data: gone } as never);
    await waitFor(() => expect(words()).toContain('as the notebook has it'));
    await render({ id: 'pi-1' }, '<p>said later</p>');
    await waitFor(() => expect(words()).toContain('said later'));
    expect(screen.queryByRole('button')).toBeNull();
  });

  it.each([{}, { id: 7 }, { id: '../jobs' }, { id: '' }])(
    'asks for nothing when %j stands there',
    async named => {
      await render(named);
      expect(words()).toContain('as the notebook has it');
      expect(FakeSocket.all).toHaveLength(0);
    }
  );

  it('draws what a job says as text', async () => {
    await render({ id: 'pi-1' });
    FakeSocket.last.open();
    const bad = '<img src=x onerror=alert(1)>';
    FakeSocket.last.snapshot(
      'job/pi-1',
      status({ name: bad, phase: 'Failed', error: bad, metrics: [metric(bad)] })
    );
    FakeSocket.last.snapshot('job/pi-1/log/0', { text: bad });
    await waitFor(() => expect(screen.getByRole('log').textContent).toBe(bad));
    expect(shown.node.querySelector('img')).toBeNull();
  });

  it('asks for nothing any more when it is gone', async () => {
    await render({ id: 'pi-1' });
    FakeSocket.last.open();
    shown.dispose();
    await waitFor(() =>
      expect(FakeSocket.last.sent.slice(-2).map(({ op }) => op)).toEqual([
        'unsubscribe',
        'unsubscribe'
      ])
    );
  });
});

function metric(name: string): JobSummary['metrics'][number] {
  return { name, value: 1, step: null, at: 0 };
}
