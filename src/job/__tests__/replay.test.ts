import { describe, expect, it } from 'vitest';
import type * as nbformat from '@jupyterlab/nbformat';

import { Replay } from '../replay';
import type { Change, Frame } from '../replay';

function notebook(cells: Partial<nbformat.ICodeCell>[]): nbformat.INotebookContent {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map(cell => ({
      cell_type: 'code',
      source: '',
      metadata: {},
      outputs: [],
      execution_count: null,
      ...cell
    })) as nbformat.ICell[]
  };
}

function played(frames: Frame[], cells: Partial<nbformat.ICodeCell>[] = [{}, {}]) {
  const replay = new Replay(notebook(cells), null);
  const changes = frames.flatMap(frame => replay.apply({ rank: 0, ...frame }));
  return { replay, changes, kinds: changes.map(change => change.kind) };
}

const started = { kind: 'cell_started', cell: 0, number: 1, count: 1, time: 10 };
const shown = (text: string, display_id: string | null = null): Frame => ({
  kind: 'output',
  cell: 0,
  display_id,
  output: { output_type: 'display_data', data: { 'text/plain': text }, metadata: {} }
});
const stream = (text: string, name = 'stdout'): Frame => ({ kind: 'stream', cell: 0, name, text });
const error = { ename: 'KeyError', evalue: "'train'", traceback: ['Traceback'] };

describe('Replay', () => {
  it('follows a cell from its start to its end', () => {
    const finished = { kind: 'cell_finished', cell: 0, status: 'ok', seconds: 1.5 };
    const { replay } = played([started]);
    expect(replay.runningCell).toBe(0);
    expect(replay.run(0)).toEqual({ state: 'running', count: 1, seconds: null });
    replay.apply(finished);
    expect(replay.runningCell).toBeNull();
    expect(replay.run(0)).toEqual({ state: 'ok', count: 1, seconds: 1.5 });
  });

  it('joins text of the same stream and keeps streams apart', () => {
    const { replay } = played([started, stream('a'), stream('b'), stream('c', 'stderr')]);
    expect(replay.outputs(0)).toEqual([
      { output_type: 'stream', name: 'stdout', text: 'ab' },
      { output_type: 'stream', name: 'stderr', text: 'c' }
    ]);
  });

  it('clears at once, or only when something new comes', () => {
    const wait = { kind: 'clear_output', cell: 0, wait: true };
    expect(played([stream('a'), { ...wait, wait: false }]).replay.outputs(0)).toEqual([]);
    expect(played([stream('a'), wait]).replay.outputs(0)).toHaveLength(1);
    const { replay, kinds } = played([stream('a'), wait, stream('b')]);
    expect(kinds).toEqual(['stream', 'clear', 'stream']);
    expect(replay.outputs(0)).toEqual([{ output_type: 'stream', name: 'stdout', text: 'b' }]);
  });

  it('changes so many outputs at once, and asks for a snapshot that shows them all', () => {
    const update = { kind: 'update_display', display_id: 'd', data: { 'text/plain': 'new' } };
    const few = played([started, ...Array<Frame>(100).fill(shown('old', 'd'))]);
    expect(few.replay.outdated).toBe(false);
    const many = played([started, ...Array<Frame>(150).fill(shown('old', 'd'))]);
    expect(many.replay.apply({ rank: 0, ...update })).toHaveLength(100);
    expect(many.replay.outdated).toBe(true);
  });

  it('takes so much output until the next snapshot', () => {
    const text = 'x'.repeat(8 * 1024 * 1024);
    const { replay, changes } = played([started, ...Array<Frame>(12).fill(stream(text))]);
    expect(changes.filter(change => change.kind === 'stream')).toHaveLength(8);
    expect(replay.outdated).toBe(true);
  });

  it('updates every output that bears the display id', () => {
    const update = { kind: 'update_display', display_id: 'd', data: { 'text/plain': 'new' } };
    const { replay, changes } = played([shown('one', 'd'), stream('x'), shown('two', 'd'), update]);
    expect(changes.slice(-2).map(change => 'index' in change && change.index)).toEqual([0, 2]);
    expect(replay.outputs(0).map(output => output.data)).toEqual([
      { 'text/plain': 'new' },
      undefined,
      { 'text/plain': 'new' }
    ]);
  });

  it('does not update what was cleared', () => {
    const clear = { kind: 'clear_output', cell: 0, wait: false };
    const update = { kind: 'update_display', display_id: 'd', data: { 'text/plain': 'new' } };
    const { replay } = played([shown('one', 'd'), clear, stream('x'), update]);
    expect(replay.outputs(0)).toEqual([{ output_type: 'stream', name: 'stdout', text: 'x' }]);
  });

  it('asks for a snapshot when it cannot know which output is meant', () => {
    const { replay } = played([{ kind: 'update_display', display_id: 'unseen', data: {} }]);
    expect(replay.outdated).toBe(true);
  });

  it('hears another rank only when it fails first', () => {
    const { replay } = played([
      started,
      { ...stream('quiet'), rank: 1 },
      { kind: 'error', rank: 1, cell: 0, ...error },
      { kind: 'error', rank: 0, cell: 0, ...error }
    ]);
    expect(replay.outputs(0)).toEqual([
      {
        output_type: 'error',
        ename: 'KeyError',
        evalue: "[rank 1] 'train'",
        traceback: ["Rank 1 failed first: KeyError: 'train'", 'Traceback']
      }
    ]);
    expect(replay.outdated).toBe(true); // the server knows which of several failures came first
  });

  it("shows rank 0's own failure once", () => {
    const output = { kind: 'output', cell: 0, output: { output_type: 'error', ...error } };
    const { replay } = played([started, output, { kind: 'error', cell: 0, ...error }]);
    expect(replay.outputs(0)).toHaveLength(1);
  });

  it.each([
    ['killed', { exit_code: null, signal: 'SIGKILL', text: 'Out of memory' }, 'error', 1],
    ['stopped', { exit_code: 143, signal: null }, 'interrupted', 0]
  ])('marks the cell whose process was %s', (_, end, state, outputs) => {
    const { replay } = played([started, { kind: 'rank_finished', ...end }]);
    expect(replay.run(0).state).toBe(state);
    expect(replay.outputs(0)).toHaveLength(outputs);
    expect(replay.runningCell).toBeNull();
  });

  it.each([
    { kind: 'stream', cell: 7, name: 'stdout', text: 7 },
    { kind: 'cell_started', cell: -1 },
    { kind: 'cell_finished', cell: 0, status: 'odd' },
    { kind: 'output', cell: 0, output: 'text' },
    { kind: 'update_display' },
    { kind: 'what' },
    {}
  ])('ignores a frame that makes no sense: %j', frame => {
    expect(played([frame]).changes).toEqual<Change[]>([]);
  });

  it('gives a skipped cell no time', () => {
    const { replay } = played([{ kind: 'cell_finished', cell: 0, status: 'skipped', seconds: 0 }]);
    expect(replay.run(0)).toEqual({ state: 'skipped', count: null, seconds: null });
  });

  it('goes on from a snapshot with what its cells say of themselves', () => {
    const cells = [
      { execution_count: 1, metadata: { mlk: { started: 1, status: 'ok', seconds: 2 } } },
      { execution_count: 2, metadata: { mlk: { started: 3, status: null } } }
    ] as unknown as Partial<nbformat.ICodeCell>[];
    const running = new Replay(notebook(cells), 1);
    expect(running.run(0)).toEqual({ state: 'ok', count: 1, seconds: 2 });
    expect(running.run(1).state).toBe('running');
    expect(new Replay(notebook(cells), null).run(1).state).toBe('interrupted');
  });
});
