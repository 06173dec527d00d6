import { fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { Kernels } from '../../api';
import { ApiError } from '../../api';
import type { IKernelActions } from '../row';
import { KernelsView } from '../view';
import { kernel, NOW, stopped, told } from './fakes';

function show(kernels: Kernels, error: ApiError | null = null, now = NOW) {
  const actions = Object.fromEntries(
    ['open', 'keep', 'chooseTime', 'release', 'stop', 'explain', 'dismiss'].map(name => [
      name,
      vi.fn()
    ])
  ) as unknown as IKernelActions;
  const view = (all: Kernels): JSX.Element => (
    <KernelsView
      {...all}
      serverEnd={
        all.server_stops_at === null ? null : { at: all.server_stops_at, words: all.server_words }
      }
      error={error}
      clock={() => now}
      announcement=""
      actions={actions}
      onRetry={vi.fn()}
      trans={trans}
    />
  );
  const { rerender } = render(view(kernels));
  return { actions, show: (all: Kernels) => rerender(view(all)) };
}

const button = (name: string): HTMLElement => screen.getByRole('button', { name });
const off = { mode: 'off', values: {}, warnings: [] } as const;
const lease = { until: NOW + 7200, reason: 'training', left_s: 7200, total_left_s: null };

describe('the section of kernels', () => {
  it('has a row for each: what it is, does, holds and costs, and what can be done', () => {
    const { actions } = show(
      told([
        kernel('train', { kind: 'idle_gpu', gpus: 1, gpu_memory_bytes: 2 ** 30, gpu_busy: 0 }),
        kernel('eda', { state: 'active', kind: null, words: 'a cell runs', stops_at: null })
      ])
    );
    const [train, eda] = within(screen.getByRole('list', { name: 'Kernels' })).getAllByRole(
      'listitem'
    );
    expect(train.textContent).toContain('idle 42 min, holds 1 GPU, 1 GiB, stops in 18 min');
    expect(train.textContent).toContain('CPU 0 % · GPU 0 % · cost unknown');
    expect(eda.textContent).toContain('a cell runs');
    fireEvent.click(button('train.ipynb'));
    fireEvent.click(button('Keep 2 h: train.ipynb'));
    fireEvent.click(button('Keep for another time: train.ipynb'));
    fireEvent.click(button('Stop now: eda.ipynb'));
    fireEvent.click(button('Why: eda.ipynb'));
    expect(actions.open).toHaveBeenCalledWith('work/train.ipynb');
    expect(actions.keep).toHaveBeenCalledWith('train', 7200);
    expect(actions.chooseTime).toHaveBeenCalledWith('train', expect.any(HTMLElement));
    expect(actions.stop).toHaveBeenCalledWith('eda');
    expect(actions.explain).toHaveBeenCalledWith('eda');
  });

  it('says until when a kernel is kept, and releases it', () => {
    const { actions } = show(told([kernel('train', { lease })]));
    expect(screen.getByText(/^kept until .*2 h left\): training$/)).toBeTruthy();
    expect(screen.queryByText(/stops in/)).toBeNull();
    fireEvent.click(button('Release train.ipynb'));
    expect(actions.release).toHaveBeenCalledWith('train');
  });

  it('offers only what can be done with a kernel', () => {
    show(told([kernel('going', { state: 'stopping' }), kernel('gone', { state: 'dead' })]));
    expect(screen.queryByRole('button', { name: /Keep/ })).toBeNull();
    expect(screen.queryByRole('button', { name: 'Stop now: going.ipynb' })).toBeNull();
    expect(button('Stop now: gone.ipynb')).toBeTruthy();
  });

  it('keeps the focus where a button goes, in the row or beside it', () => {
    const view = show(told([kernel('a', { lease }), kernel('b')]));
    button('Release a.ipynb').focus();
    view.show(told([kernel('a'), kernel('b')]));
    expect(document.activeElement?.textContent).toBe('a.ipynb');
    button('Stop now: b.ipynb').focus();
    view.show(told([kernel('a', { cpu_pct: 7 }), kernel('b', { cpu_pct: 7 })]));
    expect(document.activeElement).toBe(button('Stop now: b.ipynb'));
    view.show(told([kernel('a')]));
    expect(document.activeElement?.textContent).toBe('a.ipynb');
  });

  it('says what the policy does and what a person should know', () => {
    const policy = { mode: 'shadow', values: {}, warnings: ['Another culler is on.'] } as const;
    show(told([kernel('a')], { policy }));
    expect(screen.getByText(/^Watches only: nothing is stopped/)).toBeTruthy();
    expect(screen.getByRole('note').textContent).toBe('Another culler is on.');
    expect(screen.getByText(/would have saved this month/)).toBeTruthy();
  });

  it('says that nothing is watched, and promises no figures then', () => {
    show(told([], { policy: off }));
    expect(screen.getByText(/Idle kernels are not watched/)).toBeTruthy();
    expect(screen.queryByText(/saved|No kernel/)).toBeNull();
  });

  it('says when the whole server is stopped, and why', () => {
    show(told([], { server_stops_at: NOW + 240, server_words: 'no kernel runs' }));
    expect(screen.getByRole('note').textContent).toBe('This server stops in 4 min: no kernel runs');
  });

  it('has one friendly line where no kernel runs', () => {
    show(told([]));
    expect(screen.getByText(/^No kernel runs/)).toBeTruthy();
  });

  it('says why it cannot be read instead', () => {
    const body = { code: 'x', title: 'No', detail: 'MLK_IDLE_TTL is “soon”.', hint: '' };
    show(told([]), new ApiError(body, 409));
    expect(screen.getByRole('alert').textContent).toContain('MLK_IDLE_TTL is “soon”.');
    expect(screen.queryByText(/No kernel runs/)).toBeNull();
  });

  it('lists what was stopped and why, until somebody takes it away', () => {
    const { actions } = show(told([], { stopped: [stopped('old', { at: NOW - 300 })] }));
    const row = within(screen.getByRole('list', { name: 'Stopped kernels' })).getByRole('listitem');
    expect(row.textContent).toContain('was idle for 1 h · 5 min ago');
    fireEvent.click(button('Take away the notice of old.ipynb'));
    expect(actions.dismiss).toHaveBeenCalledWith('old');
  });

  it('draws names of notebooks as text', () => {
    show(told([kernel('x', { path: '<img src=x onerror=alert(1)>.ipynb' })]));
    expect(document.querySelector('img')).toBeNull();
  });
});
