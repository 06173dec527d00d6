// A feature that nobody knows of: one plugin, a section in the panel, a topic and a resource of its own.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStateDB, StateDB } from '@jupyterlab/statedb';
import { CommandRegistry } from '@lumino/commands';
import { PluginRegistry } from '@lumino/coreutils';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import { answer, FakeSocket, settings } from '../../__tests__/fakes';
import { Rendered } from '../../components';
import { api, channel } from '../../plugins/connection';
import { panel } from '../../plugins/panel';
import { IMlkApi, IMlkChannel, IMlkPanel } from '../../tokens';

const toys: JupyterFrontEndPlugin<void> = {
  id: 'toys:toys',
  autoStart: true,
  requires: [IMlkApi, IMlkChannel, IMlkPanel],
  activate: (_: JupyterFrontEnd, api: IMlkApi, channel: IMlkChannel, panel: IMlkPanel) => {
    let held: readonly string[] = [];
    const changed = new Signal<object, void>({});
    const take = (toys: readonly string[]): void => {
      held = toys;
      changed.emit();
    };
    const widget = new Rendered(() => <p>{`Toys: ${held.join(', ') || 'none'}`}</p>, {
      signals: [changed],
      whileVisible: () =>
        channel.subscribe<string[], string>('toys', {
          snapshot: take,
          delta: toy => take([...held, toy])
        })
    });
    panel.addSection({
      id: 'toys',
      title: 'Toys',
      rank: 200,
      widget,
      summary: { text: () => (held.length > 0 ? `${held.length} there` : ''), changed },
      refresh: () => void api.request<string[]>(['toys']).then(take)
    });
  }
};

/** Sections before and after it, which come in the wrong order. */
const others: JupyterFrontEndPlugin<void> = {
  id: 'toys:others',
  autoStart: true,
  requires: [IMlkPanel],
  activate: (_: JupyterFrontEnd, panel: IMlkPanel) => {
    const notice = new Widget();
    notice.node.textContent = 'Look here';
    const last = { id: 'last', title: 'Last', rank: 900, widget: new Widget(), isOpen: false };
    panel.addSection({ ...last, notice });
    panel.addSection({ id: 'first', title: 'First', rank: 100, widget: new Widget() });
    expect(() => panel.addSection({ ...last, rank: 1 })).toThrow('last');
  }
};

/** What was brought to the front. */
let brought: string[] = [];

/** A window with these plugins; gives the panel. */
async function opened(
  state: IStateDB,
  plugins: JupyterFrontEndPlugin<unknown>[] = [toys, others]
): Promise<Widget> {
  const asked = settings(() => answer(200, ['kite']));
  const shown: Widget[] = [];
  brought = [];
  const registry = new PluginRegistry<JupyterFrontEnd>();
  registry.application = {
    commands: new CommandRegistry(),
    serviceManager: { serverSettings: asked },
    restored: Promise.resolve(),
    shell: {
      add: (widget: Widget) => {
        shown.push(widget);
        Widget.attach(widget, document.body);
      },
      activateById: (id: string) => brought.push(id)
    }
  } as unknown as JupyterFrontEnd;
  const kept = { id: 'toys:state', provides: IStateDB, activate: () => state };
  registry.registerPlugins([api, channel, panel, kept, ...plugins] as never);
  await act(async () => {
    await registry.activatePlugins('startUp');
    await Promise.resolve();
    MessageLoop.flush();
  });
  return shown[0];
}

/** What is told in the title of a section, and whether it is open. */
const titles = (): string[] =>
  [...document.querySelectorAll('.jp-AccordionPanel-title')].map(
    title => `${title.textContent} ${title.getAttribute('aria-expanded')}`
  );

const title = (name: string): HTMLElement => screen.getByRole('heading', { name: RegExp(name) });

const topics = (): string[] => FakeSocket.last.sent.map(({ op, topic }) => `${op} ${topic}`);

describe('a feature in one file', () => {
  let shown: Widget | undefined;

  afterEach(() => act(() => shown?.dispose()));

  it('has its section, in its place, and what its topic tells in it', async () => {
    shown = await opened(new StateDB());
    expect(titles()).toEqual(['First true', 'Toys true', 'Last false']);
    expect(screen.getByText('Look here')).toBeTruthy();
    FakeSocket.last.open();
    expect(topics()).toEqual(['subscribe toys']);
    await act(async () => {
      FakeSocket.last.snapshot('toys', ['ball']);
      FakeSocket.last.delta('toys', 1, 'doll');
      MessageLoop.flush();
    });
    expect(screen.getByText('Toys: ball, doll')).toBeTruthy();
    expect(title('Toys').textContent).toBe('Toys2 there');
  });

  it('asks its own resource when the panel is refreshed', async () => {
    shown = await opened(new StateDB());
    fireEvent.click(screen.getByRole('button', { name: 'Refresh' }));
    await waitFor(() => expect(title('Toys').textContent).toContain('1 there'));
  });

  it('is told nothing while its section is folded, or the panel hidden', async () => {
    shown = await opened(new StateDB());
    FakeSocket.last.open();
    fireEvent.click(title('Toys'));
    expect(topics()).toEqual(['subscribe toys', 'unsubscribe toys']);
    fireEvent.keyDown(title('Toys'), { key: 'Enter' });
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.last.open();
    act(() => shown?.hide());
    expect(topics()).toEqual(['subscribe toys', 'unsubscribe toys']);
  });

  it('finds its section as it was left, wherever it stands now', async () => {
    const state = new StateDB();
    shown = await opened(state);
    fireEvent.click(title('Toys'));
    fireEvent.click(title('Last'));
    act(() => shown?.dispose());
    shown = await opened(state, [toys]);
    expect(titles()).toEqual(['Toys false']);
    act(() => shown?.dispose());
    shown = await opened(state);
    expect(titles()).toEqual(['First true', 'Toys false', 'Last true']);
  });

  it('has its section opened and the panel brought to the front when somebody wants to see it', async () => {
    let panels: IMlkPanel | undefined;
    const seer: JupyterFrontEndPlugin<void> = {
      id: 'toys:seer',
      autoStart: true,
      requires: [IMlkPanel],
      activate: (_: JupyterFrontEnd, panel: IMlkPanel) => {
        panels = panel;
      }
    };
    shown = await opened(new StateDB(), [toys, others, seer]);
    act(() => panels?.showSection('last'));
    expect(titles()).toEqual(['First true', 'Toys true', 'Last true']);
    expect(brought).toEqual([shown.id]);
  });

  it('takes its section away with everything in it', async () => {
    let remove = (): void => undefined;
    const passing: JupyterFrontEndPlugin<void> = {
      id: 'toys:passing',
      autoStart: true,
      requires: [IMlkPanel],
      activate: (_: JupyterFrontEnd, panel: IMlkPanel) => {
        const notice = new Widget();
        notice.node.textContent = 'Passing';
        const section = { id: 'passing', title: 'Passing', rank: 1, widget: new Widget(), notice };
        const added = panel.addSection(section);
        remove = () => added.dispose();
      }
    };
    shown = await opened(new StateDB(), [passing, toys]);
    expect(titles()).toEqual(['Passing true', 'Toys true']);
    remove();
    expect(titles()).toEqual(['Toys true']);
    expect(within(shown.node).queryByText('Passing')).toBeNull();
  });
});
