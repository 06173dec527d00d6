import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '../../api';
import type { KernelState } from '../../api';
import { actionsOf } from '../../kernels/actions';
import { kernel, NOW, told } from '../../kernels/__tests__/fakes';
import { trans } from '../../__tests__/fakes';
import { CommandIDs } from '../../tokens';
import type { IKernels } from '../../tokens';
import { kernelActions } from '../kernelactions';

/** The commands, where these kernels are known and the one of `front` is that of the notebook in front. */
function commandsOf(known: readonly KernelState[], front: string | null = null) {
  const commands = new CommandRegistry();
  const context = { sessionContext: { session: { kernel: { id: front } } } };
  const shell = { currentWidget: front === null ? null : { context } };
  const kernels = {
    get: (id: string) => known.find(each => each.id === id),
    policy: told([]).policy as IKernels['policy'],
    now: () => NOW,
    keep: vi.fn(() => Promise.resolve()),
    stop: vi.fn(() => Promise.resolve())
  };
  const app = { commands, shell } as unknown as JupyterFrontEnd;
  void kernelActions.activate(app, kernels, null, null);
  return { commands, kernels };
}

const dialog = (): HTMLElement | null => document.querySelector('.jp-Dialog');
const press = (kind: 'accept' | 'reject'): void =>
  dialog()!.querySelector<HTMLElement>(`.jp-mod-${kind}`)!.click();

describe('the command that keeps a kernel', () => {
  beforeEach(() => {
    vi.spyOn(Notification, 'success').mockReturnValue('');
    vi.spyOn(Notification, 'error').mockReturnValue('');
  });

  it('keeps that of the notebook in front for two hours, and says until when', async () => {
    const lease = { until: NOW + 7200, reason: '', left_s: 7200, total_left_s: null };
    const { commands, kernels } = commandsOf([kernel('a', { lease }), kernel('b')], 'a');
    expect(commands.label(CommandIDs.keepKernel)).toBe('Keep This Kernel 2 h');
    await commands.execute(CommandIDs.keepKernel);
    expect(kernels.keep).toHaveBeenCalledWith('a', 7200);
    expect(Notification.success).toHaveBeenCalledWith(expect.stringMatching(/^a.ipynb is kept/));
  });

  it('keeps the one that is named for as long as it is told', async () => {
    const { commands, kernels } = commandsOf([kernel('a'), kernel('b')], 'a');
    const args = { id: 'b', seconds: 3600 };
    expect(commands.label(CommandIDs.keepKernel, args)).toBe('Keep 1 h');
    await commands.execute(CommandIDs.keepKernel, args);
    expect(kernels.keep).toHaveBeenCalledWith('b', 3600);
    expect(Notification.success).not.toHaveBeenCalled();
  });

  it('is offered for a kernel that is watched only', () => {
    const { commands, kernels } = commandsOf([kernel('a')], 'other');
    expect(commands.isEnabled(CommandIDs.keepKernel)).toBe(false);
    expect(commands.isEnabled(CommandIDs.keepKernel, { id: 'gone' })).toBe(false);
    expect(commands.isEnabled(CommandIDs.keepKernel, { id: 'a' })).toBe(true);
    kernels.policy = { mode: 'off', values: {}, warnings: [] };
    expect(commands.isEnabled(CommandIDs.keepKernel, { id: 'a' })).toBe(false);
  });

  it('tells in the words of the server why it could not', async () => {
    const { commands, kernels } = commandsOf([kernel('a')]);
    const body = { code: 'x', title: 'No', detail: 'At most 24 h.', hint: 'Ask.' };
    kernels.keep.mockRejectedValue(new ApiError(body, 409));
    await commands.execute(CommandIDs.keepKernel, { id: 'a' });
    expect(Notification.error).toHaveBeenCalledWith(
      'a.ipynb could not be kept. At most 24 h. Ask.',
      { autoClose: false }
    );
  });
});

describe('the command that stops a kernel', () => {
  afterEach(() => document.body.replaceChildren());

  it('asks first and says what is lost, and more of one that works', async () => {
    const busy = kernel('a', { state: 'active', words: 'a cell runs', jobs: ['j'] });
    const { commands, kernels } = commandsOf([busy]);
    const asked = commands.execute(CommandIDs.stopKernel, { id: 'a' });
    await waitFor(() => expect(screen.getByText('a.ipynb is at work. Stop it?')).toBeTruthy());
    expect(dialog()!.textContent).toContain('Now: a cell runs.');
    expect(dialog()!.textContent).toContain('what the running cell has done so far');
    expect(dialog()!.textContent).toContain('Its job goes on.');
    press('reject');
    await asked;
    expect(kernels.stop).not.toHaveBeenCalled();
  });

  it('stops one that does nothing when it was asked', async () => {
    const { commands, kernels } = commandsOf([kernel('a')]);
    const asked = commands.execute(CommandIDs.stopKernel, { id: 'a' });
    await waitFor(() => expect(screen.getByText('Stop a.ipynb?')).toBeTruthy());
    expect(dialog()!.textContent).toContain('Now: idle 42 min.');
    press('accept');
    await asked;
    expect(kernels.stop).toHaveBeenCalledWith('a');
  });
});

describe('the menu of times to keep a kernel', () => {
  it('is there for the keyboard, ends with the longest that is allowed, and gives the focus back', async () => {
    const { commands, kernels } = commandsOf([kernel('a')]);
    const button = document.body.appendChild(document.createElement('button'));
    actionsOf(commands, kernels as unknown as IKernels, trans).chooseTime('a', button);
    const items = [...document.querySelectorAll('.lm-Menu-itemLabel')];
    expect(items.map(({ textContent }) => textContent)).toEqual([
      'Keep 1 h',
      'Keep 2 h',
      'Keep 8 h',
      'Keep 1 d'
    ]);
    const menu = document.querySelector('.lm-Menu')!;
    menu.dispatchEvent(new KeyboardEvent('keydown', { keyCode: 13, bubbles: true }));
    await waitFor(() => expect(kernels.keep).toHaveBeenCalledWith('a', 3600));
    expect(document.activeElement).toBe(button);
    await waitFor(() => expect(document.querySelector('.lm-Menu')).toBeNull());
  });
});
