import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { act, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { KernelState, Stopped } from '../../api';
import type { IKernels } from '../../tokens';
import { kernelAt, kernelOf } from '../current';
import type { IKernelActions } from '../row';
import { KernelsSection } from '../section';
import { kernel, NOW, stopped, told } from './fakes';

describe('the section in the panel', () => {
  let section: KernelsSection;
  const source = {} as IKernels;
  const kernels = {
    ...told([kernel('a'), kernel('b')]),
    error: null,
    serverEnd: null,
    now: () => NOW,
    changed: new Signal<IKernels, void>(source),
    warned: new Signal<IKernels, KernelState>(source),
    ended: new Signal<IKernels, Stopped>(source)
  };

  beforeEach(async () => {
    section = new KernelsSection({
      kernels: kernels as unknown as IKernels,
      actions: {} as IKernelActions,
      trans
    });
    await act(async () => {
      Widget.attach(section, document.body);
      MessageLoop.flush();
    });
  });

  afterEach(() => act(() => section.dispose()));

  const said = (): string | null => screen.getByRole('status').textContent;
  const after = (happens: () => void): Promise<void> =>
    act(async () => {
      happens();
      MessageLoop.flush();
    });

  it('tells readers what is about to be stopped in earnest, and what was', async () => {
    await after(() => kernels.warned.emit(kernel('a', { state: 'warned', would_stop: true })));
    expect(said()).toBe('');
    await after(() => kernels.warned.emit(kernel('a', { state: 'warned', stops_at: NOW + 240 })));
    expect(said()).toBe('a.ipynb stops in 4 min');
    await after(() => kernels.ended.emit(stopped('a')));
    expect(said()).toBe('a.ipynb was stopped: was idle for 1 h');
  });

  it('points out a kernel with the focus', async () => {
    await act(() => section.reveal('b'));
    expect(document.activeElement?.textContent).toBe('b.ipynb');
  });
});

describe('the kernel of a place', () => {
  const session = (id: string | null) => ({ session: id === null ? null : { kernel: { id } } });
  const widget = (fields: object): Widget => Object.assign(new Widget(), fields);

  it('is that of the notebook or console there, and of nothing else', () => {
    const notebook = widget({ context: { sessionContext: session('a') } });
    const terminal = new Widget();
    const inside = notebook.node.appendChild(document.createElement('p'));
    const shell = { widgets: () => [terminal, notebook][Symbol.iterator]() };
    const at = (node: Node): string | null =>
      kernelAt(node, shell as unknown as JupyterFrontEnd.IShell);
    expect(at(inside)).toBe('a');
    expect(at(terminal.node)).toBeNull();
    expect(at(document.body)).toBeNull();
    expect(kernelOf(widget({ sessionContext: session('console') }))).toBe('console');
    expect(kernelOf(widget({ sessionContext: session(null) }))).toBeNull();
    expect(kernelOf(null)).toBeNull();
  });
});
