import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { screen, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { backend, job, places } from '../../__tests__/fakes';
import type { JobSummary } from '../../api';
import { CommandIDs } from '../../tokens';
import { actions } from '../actions';

/** The commands, where the context menu was last open on the row of job `row`. */
function commandsOf(known: readonly JobSummary[], row: string): CommandRegistry {
  const node = document.createElement('div');
  node.dataset.job = row;
  const commands = new CommandRegistry();
  const app = {
    commands,
    serviceManager: { contents: {} },
    contextMenuHitTest: (test: (node: HTMLElement) => boolean) => (test(node) ? node : undefined)
  } as unknown as JupyterFrontEnd;
  const jobs = {
    get: (id: string) => known.find(each => each.id === id),
    titleOf: ({ name }: JobSummary) => name
  };
  void actions.activate(app, { remove: vi.fn() }, jobs, places(backend('local')), null);
  return commands;
}

describe('the command that deletes', () => {
  afterEach(() => document.body.replaceChildren());

  it('asks for nothing where the jobs that were selected are gone, whatever row is under the pointer', async () => {
    const commands = commandsOf([job('other')], 'other');
    await commands.execute(CommandIDs.remove, { ids: ['gone', 'too'] });
    expect(document.querySelector('.jp-Dialog')).toBeNull();
    expect(commands.isEnabled(CommandIDs.remove, { ids: [] })).toBe(false);
  });

  it('asks for the one that is left of several, and for the row under the pointer where none was named', async () => {
    for (const [args, name] of [
      [{ ids: ['gone', 'left'] }, 'left'],
      [{}, 'other']
    ] as const) {
      const commands = commandsOf([job('other'), job('left')], 'other');
      const asked = commands.execute(CommandIDs.remove, args);
      await waitFor(() => expect(screen.getByText(`Delete ${name}?`)).toBeTruthy());
      document.querySelector<HTMLElement>('.jp-Dialog .jp-mod-reject')!.click();
      await asked;
    }
  });
});
