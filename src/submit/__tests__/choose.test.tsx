import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { choose, Choice } from '../choose';
import type { IChoiceProps, IEntry } from '../choose';

const FOLDERS: Record<string, IEntry[]> = {
  work: [
    { path: 'work/sub', name: 'sub', type: 'directory' },
    { path: 'work/notes.txt', name: 'notes.txt', type: 'file' },
    { path: 'work/train.py', name: 'train.py', type: 'file' }
  ],
  'work/sub': [{ path: 'work/sub/deep.ipynb', name: 'deep.ipynb', type: 'notebook' }],
  '': []
};

function props(fields: Partial<IChoiceProps> = {}): IChoiceProps {
  return {
    open: ['a/open.ipynb'],
    recent: ['a/open.ipynb', 'b/recent.ipynb'],
    folder: 'work',
    list: vi.fn((folder: string) => Promise.resolve(FOLDERS[folder])),
    onChoose: vi.fn(),
    trans,
    ...fields
  };
}

describe('the dialog', () => {
  it('goes on from its last button to what is first in it', async () => {
    const chosen = choose(props({ open: [], recent: [] }));
    // jsdom takes a dialog that is not shown by its own method for hidden
    const first = await screen.findByRole('button', { name: /^\.\./, hidden: true });
    const cancel = document.querySelector<HTMLElement>('.jp-Dialog-footer .jp-mod-reject')!;
    cancel.focus();
    fireEvent.keyDown(cancel, { key: 'Tab' });
    expect(document.activeElement).toBe(first);
    fireEvent.click(cancel);
    expect(await chosen).toBeNull();
  });
});

describe('what can be run, where no notebook is in front', () => {
  it('lists what is open, what was of late, and the folder, each once', async () => {
    const given = props();
    render(<Choice {...given} />);
    await screen.findByRole('button', { name: 'train.py' });
    expect(screen.getAllByRole('button').map(button => button.textContent?.trim())).toEqual([
      'open.ipynb a',
      'recent.ipynb b',
      '.. (the folder above)',
      'sub/',
      'train.py'
    ]);
    fireEvent.click(screen.getByRole('button', { name: 'recent.ipynb b' }));
    expect(given.onChoose).toHaveBeenLastCalledWith('b/recent.ipynb');
    fireEvent.click(screen.getByRole('button', { name: 'train.py' }));
    expect(given.onChoose).toHaveBeenLastCalledWith('work/train.py');
  });

  it('walks into folders and out of them, and keeps the keyboard in the list', async () => {
    const given = props({ open: [], recent: [] });
    render(<Choice {...given} />);
    fireEvent.click(await screen.findByRole('button', { name: 'sub/' }));
    await screen.findByRole('button', { name: 'deep.ipynb' });
    expect(screen.getByRole('list', { name: 'In the folder /work/sub' })).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByRole('button', { name: /^\.\./ }));
    fireEvent.click(screen.getByRole('button', { name: /^\.\./ }));
    fireEvent.click(await screen.findByRole('button', { name: /^\.\./ }));
    expect(await screen.findByText('No notebook or script is in it.')).toBeTruthy();
    expect(screen.queryByRole('button', { name: /^\.\./ })).toBeNull();
  });

  it('keeps the keyboard in the list when a folder cannot be read, or has nothing', async () => {
    const list = (folder: string) =>
      folder === 'work/sub' ? Promise.reject(new Error('Gone.')) : Promise.resolve(FOLDERS[folder]);
    render(<Choice {...props({ open: [], recent: [], list })} />);
    fireEvent.click(await screen.findByRole('button', { name: 'sub/' }));
    await screen.findByRole('alert');
    expect(document.activeElement).toBe(screen.getByRole('button', { name: /^\.\./ }));
    fireEvent.click(screen.getByRole('button', { name: /^\.\./ }));
    await screen.findByRole('button', { name: 'sub/' });
    fireEvent.click(screen.getByRole('button', { name: /^\.\./ }));
    await screen.findByText('No notebook or script is in it.');
    expect(document.activeElement).toBe(screen.getByRole('list'));
  });

  it('says why a folder cannot be read', async () => {
    render(<Choice {...props({ list: () => Promise.reject(new Error('Gone.')) })} />);
    expect((await screen.findByRole('alert')).textContent).toContain('Gone.');
  });
});
