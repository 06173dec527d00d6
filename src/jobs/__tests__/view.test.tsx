import { fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend, job, trans } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { IJobsViewProps } from '../view';
import { JobsView } from '../view';

function props(fields: Partial<IJobsViewProps> = {}): IJobsViewProps {
  return {
    jobs: [],
    marks: new Map(),
    backends: [backend('local')],
    isReady: true,
    error: null,
    query: '',
    phases: new Set(),
    selected: new Set(),
    openId: null,
    announcement: '',
    actions: {
      open: vi.fn(),
      stop: vi.fn(),
      again: vi.fn(),
      openNotebook: vi.fn(),
      remove: vi.fn(),
      removeAll: vi.fn()
    },
    onQuery: vi.fn(),
    onPhases: vi.fn(),
    onSelect: vi.fn(),
    onRetry: vi.fn(),
    onRun: vi.fn(),
    trans,
    ...fields
  };
}

const names = (): (string | null)[] =>
  screen
    .getAllByRole('listitem')
    .map(row => row.querySelector('.mlk-JobRow-open')?.textContent ?? null);

describe('a row', () => {
  const progress = {
    cells_done: 6,
    cells_total: 12,
    cell: 7,
    fraction: 0.5,
    text: null,
    eta_s: 130
  };

  it('of a running job says how far it is, how large, and its latest metric', () => {
    const running = job('a', {
      name: 'digits-ddp',
      progress,
      workers: 4,
      gpus: 2,
      metrics: [{ name: 'loss', value: 0.21437, step: 3, at: 0 }],
      created_at: Date.now() / 1000 - 185
    });
    render(<JobsView {...props({ jobs: [running] })} />);
    const row = screen.getByRole('listitem');
    expect(row.textContent).toContain('Running');
    expect(row.textContent).toContain('cell 7 of 12 · ~2 min');
    expect(row.textContent).toContain('4 × 2 GPUs · loss 0.2144 · 3 min ago');
    expect(within(row).getByRole('progressbar').getAttribute('aria-valuenow')).toBe('50');
  });

  it('bears what tells the job from others of its name, in its button and in what it offers', () => {
    const given = props({
      jobs: [job('a', { name: 'pi' })],
      marks: new Map([['a', 'lr=0.05']])
    });
    render(<JobsView {...given} />);
    expect(names()).toEqual(['pi · lr=0.05']);
    expect(screen.getByLabelText('Stop pi · lr=0.05')).toBeTruthy();
    expect(screen.getByLabelText('Progress of pi · lr=0.05')).toBeTruthy();
  });

  it('says who submitted the job where several people do', () => {
    render(<JobsView {...props({ jobs: [job('a', { submitted_by: 'ada' })] })} />);
    expect(screen.getByRole('listitem').textContent).toContain('by ada');
  });

  it.each([
    [
      'Queued',
      { reason: { code: 'x', text: 'needs 16 GPUs, 8 free', hint: null } },
      'needs 16 GPUs'
    ],
    ['Failed', { error: "cell 4, rank 0: KeyError: 'train'" }, "KeyError: 'train'"],
    ['Failed', { reason: { code: 'x', text: 'Rank 1 was killed.', hint: null } }, 'was killed']
  ] as const)('of a %s job says why', (phase, fields, words) => {
    render(<JobsView {...props({ jobs: [job('a', { phase, ...fields })] })} />);
    expect(screen.getByRole('listitem').textContent).toContain(words);
    expect(screen.queryByRole('progressbar')).toBeNull();
  });

  it('shows what is not known as not known', () => {
    const blank = job('a', { metrics: [{ name: 'loss', value: null, step: null, at: 0 }] });
    render(<JobsView {...props({ jobs: [blank] })} />);
    expect(screen.getByRole('progressbar').hasAttribute('aria-valuenow')).toBe(false);
    expect(screen.getByRole('listitem').textContent).toContain('loss not a number');
  });

  it('draws what a job is called as text', () => {
    render(<JobsView {...props({ jobs: [job('a', { name: '<img src=x onerror=alert(1)>' })] })} />);
    expect(names()).toEqual(['<img src=x onerror=alert(1)>']);
    expect(document.querySelector('img')).toBeNull();
  });

  it('offers a stop while a job runs and a deletion when it is over', () => {
    const given = props({
      jobs: [job('run', { created_at: 2 }), job('end', { phase: 'Succeeded' })]
    });
    render(<JobsView {...given} />);
    expect(screen.queryByLabelText('Delete run')).toBeNull();
    expect(screen.queryByLabelText('Stop end')).toBeNull();
    fireEvent.click(screen.getByLabelText('Stop run'));
    fireEvent.click(screen.getByLabelText('Delete end'));
    fireEvent.click(screen.getByLabelText('Run end again'));
    expect(given.actions.stop).toHaveBeenCalledWith('run');
    expect(given.actions.remove).toHaveBeenCalledWith('end');
    expect(given.actions.again).toHaveBeenCalledWith('end');
  });

  it('says where the job runs only when there are several places, and which attempt it is', () => {
    const backends = [backend('prod', { title: 'gpu-prod' }), backend('local')];
    const jobs = [job('a', { backend: 'prod', attempt: 2, created_at: 2 }), job('b')];
    const { rerender } = render(<JobsView {...props({ jobs, backends })} />);
    const rows = screen.getAllByRole('listitem').map(row => row.textContent);
    expect(rows[0]).toContain('1 worker · attempt 2 · gpu-prod');
    expect(rows[1]).toContain('1 worker · This machine');
    rerender(<JobsView {...props({ jobs: [jobs[1]] })} />);
    expect(screen.getByRole('listitem').textContent).not.toContain('This machine');
  });

  it('of a waiting job has the way out in its tooltip', () => {
    const reason = { code: 'x', text: 'Needs 16 GPUs.', hint: 'Ask for 8.' };
    render(<JobsView {...props({ jobs: [job('a', { phase: 'Queued', reason })] })} />);
    expect(screen.getByText('Needs 16 GPUs.').title).toBe('Needs 16 GPUs. Ask for 8.');
  });

  it('greys out what the person may not do, and names the missing right', () => {
    const right = {
      feature: 'Stop jobs',
      code: 'stop',
      allowed: false,
      missing: ['patch jobs.batch'],
      hint: null
    };
    const backends = [backend('prod', { rights: [right] })];
    const given = props({ jobs: [job('a', { backend: 'prod' })], backends });
    render(<JobsView {...given} />);
    const button = screen.getByRole('button', { name: /Stop a\. .*patch jobs.batch/ });
    expect(button.getAttribute('aria-disabled')).toBe('true');
    fireEvent.click(button);
    expect(given.actions.stop).not.toHaveBeenCalled();
  });
});

describe('the list by keyboard', () => {
  const jobs = ['a', 'b', 'c'].map((id, at) => job(id, { created_at: 10 - at, phase: 'Failed' }));

  function press(key: string): void {
    fireEvent.keyDown(document.activeElement as Element, { key });
  }

  it('is one stop for Tab, and arrows move in it', () => {
    render(<JobsView {...props({ jobs })} />);
    expect(document.querySelectorAll('.mlk-JobRow-open[tabindex="0"]')).toHaveLength(1);
    screen.getByText('a').focus();
    press('ArrowDown');
    expect(document.activeElement?.textContent).toBe('b');
    press('End');
    expect(document.activeElement?.textContent).toBe('c');
    press('ArrowDown');
    expect(document.activeElement?.textContent).toBe('c');
    press('Home');
    expect(document.activeElement?.textContent).toBe('a');
    expect(document.querySelectorAll('.mlk-JobRow-open[tabindex="0"]')).toHaveLength(1);
  });

  it('opens with the row and asks to delete with Delete', () => {
    const given = props({ jobs });
    render(<JobsView {...given} />);
    screen.getByText('a').focus();
    press('ArrowDown');
    press('Delete');
    fireEvent.click(document.activeElement as Element);
    expect(given.actions.remove).toHaveBeenCalledWith('b');
    expect(given.actions.open).toHaveBeenCalledWith('b');
  });

  it('goes on at the row that takes the place of a deleted one', () => {
    const { rerender } = render(<JobsView {...props({ jobs })} />);
    screen.getByText('a').focus();
    press('ArrowDown');
    rerender(<JobsView {...props({ jobs: [jobs[0], jobs[2]] })} />);
    expect(document.activeElement?.textContent).toBe('c');
  });

  it('tells readers where a row is in a list of which few rows are drawn', () => {
    const many = Array.from({ length: 5000 }, (_, at) =>
      job(`job-${at}`, { created_at: 9999 - at })
    );
    render(<JobsView {...props({ jobs: many })} />);
    expect(document.querySelectorAll('li').length).toBeLessThan(50);
    screen.getByText('job-0').focus();
    press('End');
    const row = document.activeElement?.closest('li');
    expect(row?.getAttribute('aria-posinset')).toBe('5000');
    expect(row?.getAttribute('aria-setsize')).toBe('5000');
  });
});

describe('many jobs', () => {
  const jobs = [
    job('a', { created_at: 4, phase: 'Failed' }),
    job('b', { created_at: 3, phase: 'Running' }),
    job('c', { created_at: 2, phase: 'Failed' }),
    job('d', { created_at: 1, phase: 'Succeeded' })
  ];

  it('are counted by phase, and shown by it', () => {
    const given = props({ jobs });
    const { rerender } = render(<JobsView {...given} />);
    const filter = screen.getByRole('group', { name: 'Show phases' });
    expect(filter.textContent).toBe('Running1Succeeded1Failed2');
    expect(screen.getByText('4 jobs')).toBeTruthy();
    fireEvent.click(within(filter).getByRole('button', { name: /Failed/ }));
    expect(given.onPhases).toHaveBeenCalledWith(new Set(['Failed']));
    rerender(<JobsView {...given} phases={new Set(['Failed'])} />);
    expect(names()).toEqual(['a', 'c']);
    expect(screen.getByText('2 of 4 jobs')).toBeTruthy();
    expect(
      within(filter)
        .getByRole('button', { name: /Failed/ })
        .getAttribute('aria-pressed')
    ).toBe('true');
  });

  it('are selected one by one, in a range and all at once, and deleted together', () => {
    const given = props({ jobs });
    const { rerender } = render(<JobsView {...given} />);
    const select = (selected: readonly string[]): void => {
      expect(given.onSelect).toHaveBeenLastCalledWith(new Set(selected));
      rerender(<JobsView {...given} selected={new Set(selected)} />);
    };
    fireEvent.click(screen.getByLabelText('Select a'));
    select(['a']);
    fireEvent.click(screen.getByText('c'), { shiftKey: true });
    select(['a', 'b', 'c']);
    fireEvent.click(screen.getByText('b'), { ctrlKey: true });
    select(['a', 'c']);
    expect(given.actions.open).not.toHaveBeenCalled();
    expect(screen.getByText('2 of 4 selected')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Delete…' }));
    expect(given.actions.removeAll).toHaveBeenLastCalledWith(['a', 'c']);
    screen.getByText('d').focus();
    fireEvent.keyDown(screen.getByText('d'), { key: 'Delete' });
    expect(given.actions.removeAll).toHaveBeenCalledTimes(2);
    expect(given.actions.remove).not.toHaveBeenCalled();
    fireEvent.keyDown(screen.getByText('d'), { key: 'a', ctrlKey: true });
    select(['a', 'b', 'c', 'd']);
    fireEvent.keyDown(screen.getByText('d'), { key: 'Escape' });
    select([]);
  });

  it('that a filter hides are not deleted with those it shows', () => {
    const given = props({ jobs, selected: new Set(['a', 'b']), phases: new Set(['Running']) });
    render(<JobsView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Delete…' }));
    expect(given.actions.removeAll).toHaveBeenLastCalledWith(['b']);
  });

  it('show which of them is open', () => {
    render(<JobsView {...props({ jobs, openId: 'c' })} />);
    expect(document.querySelector('[aria-current="true"]')?.textContent).toBe('c');
  });

  it('say all in one line of columns where there is room', () => {
    const width = vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(800);
    render(<JobsView {...props({ jobs })} />);
    expect(document.querySelectorAll('[data-lines="1"]')).toHaveLength(4);
    expect(document.querySelector('.mlk-JobColumns')?.textContent).toContain('Phase');
    width.mockRestore();
  });
});

describe('when there is no row', () => {
  it('says what to do and offers it', () => {
    const given = props();
    render(<JobsView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Run as a job…' }));
    expect(given.onRun).toHaveBeenCalledOnce();
  });

  it('does not say that there are no jobs before it knows', () => {
    render(<JobsView {...props({ isReady: false })} />);
    expect(screen.queryByText(/No jobs yet/)).toBeNull();
    expect(screen.getByText('The list of jobs is on its way.')).toBeTruthy();
  });

  it('offers all jobs when none matches the filter', () => {
    const given = props({ jobs: [job('a')], query: 'zzz' });
    render(<JobsView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Show all jobs' }));
    expect(given.onQuery).toHaveBeenCalledWith('');
  });

  it('shows an error with its hint and a retry, above the jobs it still knows', () => {
    const error = new ApiError({ code: 'x', title: 'Down', detail: 'It is.', hint: 'Wait.' }, 503);
    const given = props({ jobs: [job('a')], error });
    render(<JobsView {...given} />);
    expect(screen.getByRole('alert').textContent).toContain('DownIt is.Wait.');
    fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(given.onRetry).toHaveBeenCalledOnce();
    expect(names()).toEqual(['a']);
  });
});

describe('the filter', () => {
  const jobs = [
    job('a', { name: 'Digits', created_at: 2 }),
    job('b', { name: 'bert', notebook: 'nlp/Train.ipynb', phase: 'Failed' })
  ];

  it.each([
    ['dig', ['Digits']],
    ['train', ['bert']],
    ['failed bert', ['bert']],
    ['machine dig', ['Digits']],
    ['  ', ['Digits', 'bert']]
  ])('“%s” finds %j', (query, found) => {
    render(<JobsView {...props({ jobs, query })} />);
    expect(names()).toEqual(found);
  });
});
