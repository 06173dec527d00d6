import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { BoxPanel, Widget } from '@lumino/widgets';
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { KernelState, Stopped } from '../../api';
import type { IKernels } from '../../tokens';
import { StoppedNotices } from '../notices';
import { stopped } from './fakes';

/** A notebook whose kernel was just stopped, and the list of the server. */
class Notebook {
  readonly header = new BoxPanel();
  readonly content = Object.assign(new Widget(), { activate: vi.fn() });
  readonly kernelChanged = new Signal<this, void>(this);
  readonly session = {
    session: null as { kernel: { id: string } } | null,
    kernelChanged: this.kernelChanged,
    changeKernel: vi.fn(() => {
      this.begin('next');
      return Promise.resolve();
    })
  };
  readonly panel = {
    context: { path: 'work/a.ipynb', pathChanged: new Signal<this, void>(this) },
    sessionContext: this.session,
    contentHeader: this.header,
    content: this.content,
    isDisposed: false,
    disposed: new Signal<this, void>(this)
  } as unknown as NotebookPanel;

  /** JupyterLab has heard of a kernel. */
  begin(id: string): void {
    this.session.session = { kernel: { id } };
    this.kernelChanged.emit();
  }
}

describe('the notice on a notebook', () => {
  let notebook: Notebook;
  const source = {};
  const kernels = {
    kernels: [] as readonly KernelState[],
    stopped: [] as readonly Stopped[],
    changed: new Signal<unknown, void>(source),
    ended: new Signal<unknown, Stopped>(source),
    dismiss: vi.fn((_: string) => {
      kernels.stopped = [];
      kernels.changed.emit();
      return Promise.resolve();
    })
  };
  const runAll = vi.fn(() => Promise.resolve());
  const openJob = vi.fn();
  const refreshRunning = vi.fn();

  /** Something happens, and the screen follows. */
  const after = (happens: () => void): Promise<void> =>
    act(async () => {
      happens();
      MessageLoop.flush();
      await Promise.resolve();
    });
  const tell = (all: readonly Stopped[], running: readonly KernelState[] = []): Promise<void> =>
    after(() => {
      kernels.stopped = all;
      kernels.kernels = running;
      kernels.changed.emit();
    });
  const notice = (): HTMLElement | null =>
    screen.queryByRole('region', { name: 'The kernel was stopped' });
  const press = (name: string): Promise<void> =>
    after(() => fireEvent.click(screen.getByRole('button', { name })));

  beforeEach(() => {
    vi.clearAllMocks();
    notebook = new Notebook();
    Widget.attach(notebook.header, document.body);
    const all = [notebook.panel];
    const notebooks = {
      widgetAdded: new Signal<unknown, NotebookPanel>({}),
      forEach: (each: (panel: NotebookPanel) => void) => all.forEach(each),
      find: (wanted: (panel: NotebookPanel) => boolean) => all.find(wanted)
    };
    new StoppedNotices({
      kernels: kernels as unknown as IKernels,
      notebooks: notebooks as unknown as INotebookTracker,
      localPath: path => path,
      runAll,
      openJob,
      refreshRunning,
      trans
    });
  });

  afterEach(async () => {
    await tell([]);
    act(() => notebook.header.dispose());
    Signal.clearData(source);
  });

  it('says why and what was in memory, the first ten and the rest folded', async () => {
    const held = Array.from({ length: 12 }, (_, at) => ({
      name: `v${at}`,
      type: 'Tensor',
      bytes: at === 1 ? null : 2048,
      shape: '(2, 3)',
      device: 'cuda:0'
    }));
    await tell([stopped('a', { held, held_more: 21, jobs: ['train-1'] }), stopped('b')]);
    const text = notice()!.textContent!;
    expect(text).toContain('The idle kernel was stopped');
    expect(text).toContain('was idle for 1 h');
    expect(text).toContain('33 variables were in its memory: v0, v1, v2, …');
    expect(text).toContain('and 23 more: v10, v11');
    const rows = screen.getAllByRole('row', { hidden: true });
    expect(rows).toHaveLength(11);
    expect(rows[1].textContent).toBe('v0Tensor (2, 3) cuda:02 KiB');
    expect(rows[2].textContent).toContain('unknown');
    await press('train-1');
    expect(openJob).toHaveBeenCalledWith('train-1');
  });

  it('has the height of what is in it, which the header would not see', async () => {
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(84);
    await tell([stopped('a')]);
    expect(notebook.header.widgets[0].node.style.minHeight).toBe('84px');
    vi.restoreAllMocks();
  });

  it('lets JupyterLab look at once which kernels run', () => {
    kernels.ended.emit(stopped('a'));
    expect(refreshRunning).toHaveBeenCalledOnce();
  });

  it('stays when a kernel runs again, and says that it knows nothing', async () => {
    await tell([stopped('a')]);
    await after(() => notebook.begin('next'));
    expect(notice()!.textContent).toContain('A new kernel runs now, without the variables');
    expect(screen.queryByRole('button', { name: 'Restart kernel' })).toBeNull();
    await press('Take away this notice');
    expect(notice()).toBeNull();
    expect(kernels.dismiss).toHaveBeenCalledWith('a');
  });

  it('goes when it was taken away in another window, also from a notebook that has a kernel again', async () => {
    await tell([stopped('a')]);
    await after(() => notebook.begin('next'));
    await tell([]);
    expect(notice()).toBeNull();
  });

  it('starts a kernel of the same kind', async () => {
    await tell([stopped('a')]);
    await press('Restart kernel');
    expect(notebook.session.changeKernel).toHaveBeenCalledWith({ name: 'python3' });
    expect(runAll).not.toHaveBeenCalled();
    expect(notice()).not.toBeNull();
  });

  it('runs all cells in a new kernel, goes, and gives the focus to the notebook', async () => {
    await tell([stopped('a')]);
    const button = screen.getByRole('button', { name: 'Run all cells' });
    button.focus();
    await press('Run all cells');
    expect(notebook.session.changeKernel).toHaveBeenCalledOnce();
    expect(runAll).toHaveBeenCalledWith(notebook.panel);
    expect(kernels.dismiss).toHaveBeenCalledWith('a');
    expect(notice()).toBeNull();
    expect(notebook.content.activate).toHaveBeenCalledOnce();
  });
});
