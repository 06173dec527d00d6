import { Notification } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { KernelState, Stopped } from '../../api';
import { CommandIDs } from '../../tokens';
import type { IKernels } from '../../tokens';
import { KernelToasts } from '../toasts';
import { kernel, NOW, stopped, told } from './fakes';

const ENDING = { state: 'warned', stops_at: NOW + 300 } as const;

/** What stands on the screen, and what its buttons do. */
function toastsOf() {
  const source = {} as IKernels;
  const kernels = {
    kernels: [] as readonly KernelState[],
    policy: told([]).policy,
    serverEnd: null as IKernels['serverEnd'],
    serverEnded: null as string | null,
    now: () => NOW,
    get: (id: string) => kernels.kernels.find(each => each.id === id),
    dismissServerEnded: vi.fn(() => Promise.resolve()),
    changed: new Signal<IKernels, void>(source),
    ended: new Signal<IKernels, Stopped>(source)
  };
  const shown = new Map<string, { text: string; options: Notification.IOptions<never> }>();
  const show = (text: string, options: unknown): string => {
    const id = `toast-${(made += 1)}`;
    shown.set(id, { text, options: options as Notification.IOptions<never> });
    return id;
  };
  let made = 0;
  vi.spyOn(Notification, 'warning').mockImplementation(show);
  vi.spyOn(Notification, 'info').mockImplementation(show);
  vi.spyOn(Notification, 'dismiss').mockImplementation(id => void shown.delete(id ?? ''));
  const execute = vi.fn((_: string, __: object): Promise<void> => Promise.resolve());
  const save = vi.fn();
  const toasts = new KernelToasts({
    kernels: kernels as unknown as IKernels,
    commands: { execute } as unknown as CommandRegistry,
    save,
    isToldElsewhere: ({ path }) => path === 'work/open.ipynb',
    trans
  });
  const tell = (...all: KernelState[]): void => {
    kernels.kernels = all;
    kernels.changed.emit();
  };
  /** JupyterLab closes a toast with any of its buttons. */
  const press = (label: string): void => {
    const [[id, { options }]] = shown;
    const action = options.actions!.find(each => each.label === label)!;
    shown.delete(id);
    action.callback(new MouseEvent('click'));
  };
  const texts = (): string[] => [...shown.values()].map(({ text }) => text);
  return { toasts, kernels, execute, save, tell, press, texts, shown };
}

describe('the word before a kernel is stopped', () => {
  let on: ReturnType<typeof toastsOf>;
  beforeEach(() => {
    on = toastsOf();
  });
  afterEach(() => {
    on.toasts.dispose();
    vi.restoreAllMocks();
  });

  it('is said once a kernel, stays, saves the notebook, and goes when the kernel is used', () => {
    on.tell(kernel('a', ENDING), kernel('b'));
    on.tell(kernel('a', { ...ENDING, cpu_pct: 1 }), kernel('b'));
    expect(on.texts()).toEqual([
      expect.stringMatching(/^a\.ipynb will be stopped at .+: idle 42 min$/)
    ]);
    expect([...on.shown.values()][0].options.autoClose).toBe(false);
    expect(on.save.mock.calls).toEqual([['work/a.ipynb']]);
    on.tell(kernel('a', { state: 'active' }), kernel('b'));
    expect(on.texts()).toEqual([]);
  });

  it('is not said where it is watched only', () => {
    on.tell(kernel('a', { ...ENDING, would_stop: true }));
    expect(on.texts()).toEqual([]);
    expect(on.save).not.toHaveBeenCalled();
  });

  it('comes again with the next warning, not before, when somebody takes it away', () => {
    on.tell(kernel('a', ENDING));
    on.shown.clear();
    on.tell(kernel('a', { ...ENDING, cpu_pct: 1 }));
    expect(on.texts()).toEqual([]);
    on.tell(kernel('a'));
    on.tell(kernel('a', ENDING));
    expect(on.texts()).toHaveLength(1);
  });

  it('keeps the kernel for two hours, and stays where that failed', async () => {
    on.tell(kernel('a', ENDING));
    on.press('Keep 2 h');
    expect(on.execute).toHaveBeenCalledWith(CommandIDs.keepKernel, { id: 'a', seconds: 7200 });
    await vi.waitFor(() => expect(on.texts()).toHaveLength(1));
    on.execute.mockImplementation(() => Promise.resolve(on.tell(kernel('a'))));
    on.press('Keep 2 h');
    await on.execute.mock.results[1].value;
    expect(on.texts()).toEqual([]);
  });

  it('is still there for who only asked why', async () => {
    on.tell(kernel('a', ENDING));
    on.press('Why');
    await vi.waitFor(() => expect(on.texts()).toHaveLength(1));
    expect(on.execute).toHaveBeenCalledWith(CommandIDs.explainKernel, { id: 'a' });
  });

  it('is followed by one about what was stopped, unless its notebook says so or a person did it', () => {
    for (const [id, fields] of [
      ['console', {}],
      ['open', {}],
      ['asked', { kind: 'asked' }]
    ] as const) {
      on.kernels.ended.emit(stopped(id, fields));
    }
    expect(on.texts()).toEqual(['console.ipynb was stopped: was idle for 1 h']);
  });

  it('tells that the whole server ends, until it does not, and once that it did', () => {
    on.kernels.serverEnd = { at: NOW + 300, words: 'no kernel runs' };
    on.tell();
    on.tell();
    expect(on.texts()).toEqual([
      expect.stringMatching(/^This server will be .+: no kernel runs\./)
    ]);
    on.kernels.serverEnd = null;
    on.tell();
    expect(on.texts()).toEqual([]);
    on.kernels.serverEnded = 'Your server was stopped at 18:40: nobody used it.';
    on.tell();
    on.tell();
    expect(on.texts()).toEqual([on.kernels.serverEnded]);
    on.press('OK');
    expect(on.kernels.dismissServerEnded).toHaveBeenCalledOnce();
  });
});
