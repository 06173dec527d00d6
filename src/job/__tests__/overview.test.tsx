import { nullTranslator } from '@jupyterlab/translation';
import { fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend as place, cluster } from '../../__tests__/fakes';
import type { BackendInfo, JobStatus, RunView } from '../../api';
import { Tabs } from '../header';
import { Overview } from '../overview';
import { elapsedText, steps } from '../words';

const trans = nullTranslator.load('');

const JOB: JobStatus = {
  id: 'digits-1',
  name: 'digits',
  notebook: 'digits.ipynb',
  backend: 'local',
  phase: 'Failed',
  reason: { code: 'failed', text: 'Rank 1 failed first.', hint: 'See its log.' },
  workers: 2,
  gpus: 0,
  changed: {},
  world_size: 2,
  grace_period_s: 30,
  progress: { cells_done: 1, cells_total: 3, cell: 2, fraction: 0.33, text: null, eta_s: null },
  metrics: [],
  error: "cell 2, rank 1: KeyError: 'train'",
  run: null,
  submitted_by: 'ada',
  created_at: 1000,
  started_at: 1005,
  finished_at: 1065,
  attempt: 1,
  attempts: [],
  spec: {
    name: 'digits',
    notebook: 'digits.ipynb',
    workers: 2,
    gpus: 0,
    ranks_per_worker: null,
    arguments: [],
    parameters: { lr: 0.1 },
    env: { SECRET: 'hush' },
    files: [],
    time_limit_s: null,
    grace_period_s: 30,
    kernel: null,
    python: null,
    output_limit: '16Mi',
    notebook_limit: '64Mi',
    mlflow: true,
    cluster: cluster()
  },
  timeline: [
    { phase: 'Queued', at: 1000 },
    { phase: 'Starting', at: 1000.01 },
    { phase: 'Running', at: 1005 },
    { phase: 'Failed', at: 1065 }
  ],
  failure: null,
  ranks: [
    {
      rank: 1,
      worker: 1,
      state: 'failed',
      where: null,
      pid: 1,
      exit_code: 1,
      signal: null,
      sample: null,
      last_line: 'KeyError',
      why: null
    }
  ],
  notices: ['IPython is missing.'],
  folder: '/jobs/digits-1',
  owner: null
};

function show(job: JobStatus, run: RunView | null = null, backend?: BackendInfo) {
  const onLog = vi.fn();
  const onCell = vi.fn();
  render(
    <Overview
      job={job}
      backend={backend ?? place('local')}
      run={run}
      runError={null}
      visible={false}
      trans={trans}
      onCopy={vi.fn()}
      onLog={onLog}
      onCell={onCell}
      trends={[]}
    />
  );
  return { onLog, onCell };
}

describe('Overview', () => {
  it('says why, what to do, what was asked, and never the value of a variable', () => {
    show(JOB);
    expect(screen.getByText(/Rank 1 failed first/)).toBeTruthy();
    expect(screen.getByText('See its log.')).toBeTruthy();
    expect(screen.getByText("cell 2, rank 1: KeyError: 'train'")).toBeTruthy();
    expect(screen.getByText('IPython is missing.')).toBeTruthy();
    expect(screen.getByText('SECRET')).toBeTruthy();
    expect(screen.getByText('Submitted by').nextSibling?.textContent).toBe('ada');
    expect(document.body.textContent).not.toContain('hush');
  });

  it('leads with the exception of the rank that failed first, and with the ways to it', () => {
    const { onLog, onCell } = show({
      ...JOB,
      reason: { code: 'cell_failed', text: 'Rank 1, cell 2: ValueError: bad', hint: 'See there.' },
      error: 'Rank 1, cell 2: ValueError: bad',
      failure: { rank: 1, ename: 'ValueError', evalue: 'bad\nworse', cell: 3, number: 2 }
    });
    const block = screen.getByRole('region', { name: 'Why it failed' });
    expect(block).toBe(document.querySelector('.mlk-Overview')!.firstElementChild);
    expect(within(block).getByRole('heading').textContent).toBe('Rank 1 failed first, in cell 2');
    expect(block.querySelector('pre')!.textContent).toBe('ValueError: bad\nworse');
    expect(within(block).getByText('See there.')).toBeTruthy();
    fireEvent.click(within(block).getByRole('button', { name: 'Go to cell' }));
    expect(onCell).toHaveBeenCalledWith(3);
    fireEvent.click(within(block).getByRole('button', { name: 'Log of rank 1' }));
    expect(onLog).toHaveBeenCalledWith(1);
  });

  it('of a process that died without an exception says how, and of one process no number', () => {
    show({
      ...JOB,
      world_size: 1,
      reason: { code: 'killed', text: 'Rank 0 was killed (SIGKILL).', hint: null },
      error: null,
      failure: { rank: 0, ename: null, evalue: '', cell: null, number: null }
    });
    const block = screen.getByRole('region', { name: 'Why it failed' });
    expect(block.textContent).toContain('Rank 0 was killed (SIGKILL).');
    expect(
      within(block)
        .getAllByRole('button')
        .map(({ textContent }) => textContent)
    ).toEqual(['Log']);
  });

  it('leads with the latest metrics, in the order of the job', () => {
    const metric = (name: string, value: number | null) => ({ name, value, step: 3, at: 1 });
    show({
      ...JOB,
      phase: 'Succeeded',
      metrics: [metric('loss', 0.0015), metric('acc', 0.9733), metric('nan', null)]
    });
    const tiles = within(screen.getByRole('list', { name: 'Metrics' })).getAllByRole('listitem');
    expect(tiles.map(({ textContent }) => textContent)).toEqual([
      'loss0.0015step 3',
      'acc0.9733step 3',
      'nannot a numberstep 3'
    ]);
    expect(screen.queryByRole('region', { name: 'Why it failed' })).toBeNull();
  });

  it('shows what is not known as a dash, never as zero', () => {
    show(JOB);
    const cells = within(screen.getAllByRole('row')[1]).getAllByRole('cell');
    expect(cells.map(cell => cell.textContent)).toEqual([
      '1',
      '–',
      'Failed, exit code 1',
      '–',
      '–',
      'KeyError'
    ]);
    expect(cells[1].querySelector('[title="Not known"]')).not.toBeNull();
  });

  it('says of a job on a cluster where it is, what its pods wait for, and why it started again', () => {
    const gpu = place('prod', { title: 'gpu-prod', context: 'prod', namespace: 'team-a' });
    show(
      {
        ...JOB,
        backend: 'prod',
        phase: 'Running',
        attempt: 2,
        spec: { ...JOB.spec, cluster: cluster({ image: 'torch:2', retries: 3, queue: 'team' }) },
        attempts: [
          {
            number: 1,
            started_at: 1000,
            ended_at: 1090,
            reason: { code: 'node_lost', text: 'Node gpu-7 was lost.', hint: 'It starts again.' }
          },
          {
            number: 2,
            started_at: null,
            ended_at: null,
            reason: { code: 'preempted', text: '<b>Preempted</b>.', hint: null }
          }
        ],
        ranks: [
          { ...JOB.ranks[0], where: 'gpu-8', state: 'waiting', why: 'Pulling <i>torch:2</i>' }
        ]
      },
      null,
      gpu
    );
    const text = document.body.textContent ?? '';
    for (const words of ['gpu-prod', 'team-a', 'gpu-8', 'torch:2', 'at most 3', 'Queueteam']) {
      expect(text).toContain(words);
    }
    expect(screen.getByText('Pulling <i>torch:2</i>')).toBeTruthy();
    const [first, second] = within(screen.getByText('Earlier attempts').parentElement!)
      .getAllByRole('row')
      .slice(1);
    expect(first.textContent).toMatch(/^1.*1 min 30 sNode gpu-7 was lost. It starts again.$/);
    expect(second.textContent).toBe('2––<b>Preempted</b>. ');
  });

  it('of a job on this machine says nothing of clusters', () => {
    show(JOB);
    expect(document.body.textContent).toContain('This machine');
    expect(document.body.textContent).not.toContain('Kept in the cluster');
    expect(screen.queryByText('Earlier attempts')).toBeNull();
  });

  it('opens the log of a rank', () => {
    const { onLog } = show(JOB);
    fireEvent.click(screen.getByRole('button', { name: '1' }));
    expect(onLog).toHaveBeenCalledWith(1);
  });

  it.each([
    ['https://mlflow.example/run', 1],
    ['javascript:alert(1)', 0]
  ])('links to %s only when a browser may follow it', (url, links) => {
    const run = {
      run_id: 'r',
      run_name: 'happy-fox',
      experiment: 'digits',
      status: 'FAILED',
      url,
      proxy_path: null,
      params: {},
      metrics: {}
    };
    show({ ...JOB, run: { ...ref('recorded'), run_id: 'r' } }, run);
    expect(screen.queryAllByRole('link')).toHaveLength(links);
    expect(screen.getByText('happy-fox')).toBeTruthy();
  });

  it('says in a sentence why there is no run', () => {
    show({ ...JOB, run: { ...ref('unavailable'), text: 'The tracking server is down.' } });
    expect(screen.getByText('The tracking server is down.')).toBeTruthy();
  });
});

describe('the timeline', () => {
  it('says of a job that is over as exactly as the timeline how long it ran', () => {
    const over = { ...JOB, started_at: 1005, finished_at: 1014.6 };
    expect(elapsedText(over, 2000, trans)).toBe('9.6 s');
    const running = { ...JOB, phase: 'Running' as const, started_at: 1005, finished_at: null };
    expect(elapsedText(running, 1014.6, trans), 'counts seconds').toBe('10 s');
  });

  it('says how long each phase took, and leaves out one that took no time', () => {
    const words = steps(JOB, 2000, trans).map(({ text }) => text.replace(/\d+:\d+.*/, 'T'));
    expect(words).toEqual(['Submitted T', 'Starting 5 s', 'Running 1 min', 'Failed T']);
  });
});

describe('Tabs', () => {
  it('moves with arrows, Home and End, round and round', () => {
    const onPage = vi.fn();
    render(
      <Tabs
        prefix="x"
        page="overview"
        made={['overview']}
        trans={trans}
        onPage={onPage}
        onReady={() => undefined}
      />
    );
    const list = screen.getByRole('tablist');
    for (const key of ['ArrowRight', 'ArrowLeft', 'Home', 'End', 'x']) {
      fireEvent.keyDown(list, { key });
    }
    expect(onPage.mock.calls.flat()).toEqual(['notebook', 'metrics', 'overview', 'metrics']);
    expect(screen.getAllByRole('tab').map(tab => tab.tabIndex)).toEqual([0, -1, -1, -1]);
  });
});

function ref(state: 'recorded' | 'unavailable') {
  return {
    state,
    text: null,
    tracking_uri: null,
    experiment: 'digits',
    experiment_id: null,
    run_id: null,
    run_name: null
  };
}
