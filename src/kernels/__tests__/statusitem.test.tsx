import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { KernelState } from '../../api';
import type { IKernels } from '../../tokens';
import { EndingItem } from '../statusitem';
import { kernel, NOW } from './fakes';

describe('the word about an end in the status bar', () => {
  let item: EndingItem;
  const onClick = vi.fn();
  const began = Date.now();
  const kernels = {
    kernels: [] as readonly KernelState[],
    serverEnd: null as IKernels['serverEnd'],
    now: () => NOW + (Date.now() - began) / 1000,
    changed: new Signal<IKernels, void>({} as IKernels)
  };

  beforeEach(() => {
    vi.useFakeTimers({ now: began, toFake: ['Date', 'setInterval', 'clearInterval'] });
    item = new EndingItem(kernels as unknown as IKernels, onClick, trans);
    Widget.attach(item, document.body);
  });

  afterEach(() => {
    act(() => item.dispose());
    vi.useRealTimers();
  });

  const tell = (...all: KernelState[]): Promise<void> =>
    act(async () => {
      kernels.kernels = all;
      kernels.changed.emit();
      MessageLoop.flush();
    });

  it('is there while a kernel is about to be stopped, counts down, and leads to it', async () => {
    const states: boolean[] = [];
    const began = vi.spyOn(globalThis, 'setInterval');
    const ended = vi.spyOn(globalThis, 'clearInterval');
    item.activeStateChanged.connect(() => states.push(item.isActive));
    await tell(kernel('train'));
    expect(screen.queryByRole('button')).toBeNull();
    expect(began).not.toHaveBeenCalled();
    await tell(kernel('train', { state: 'warned', stops_at: NOW + 61 }));
    expect(screen.getByRole('button').textContent).toBe('train.ipynb stops in 1 min 1 s');
    act(() => vi.advanceTimersByTime(2000));
    expect(screen.getByRole('button').textContent).toBe('train.ipynb stops in 59 s');
    fireEvent.click(screen.getByRole('button'));
    expect(onClick).toHaveBeenCalledOnce();
    await tell(kernel('train', { state: 'active' }));
    expect(screen.queryByRole('button')).toBeNull();
    expect(ended).toHaveBeenCalledWith(began.mock.results[0].value);
    expect(states).toEqual([true, false]);
  });

  it('says when the whole server is about to be stopped, and no longer when somebody uses it', async () => {
    kernels.serverEnd = {
      at: NOW + 240,
      words: 'no kernel runs, and nobody has used it for 25 min'
    };
    await tell();
    expect(screen.getByRole('button').textContent).toMatch(/^This server stops in \d+ min$/);
    kernels.serverEnd = null;
    await tell();
    expect(screen.queryByRole('button')).toBeNull();
  });

  it('says nothing where it is only watched', async () => {
    await tell(kernel('train', { state: 'warned', would_stop: true }));
    expect(item.isActive).toBe(false);
  });
});
