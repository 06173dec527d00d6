import type * as nbformat from '@jupyterlab/nbformat';

/** One frame as the server hands it on; what has the wrong type counts as missing (see worker/frames.py). */
export type Frame = Readonly<Record<string, unknown>>;

/** Where one cell is in its life. */
export type CellState = 'waiting' | 'running' | 'ok' | 'error' | 'skipped' | 'expected_error';

export interface ICellRun {
  readonly state: CellState;
  /** Execution count, null before it ran. */
  readonly count: number | null;
  /** How long it took, null while not known. */
  readonly seconds: number | null;
  /** When it started, in seconds since the epoch; null while not known. */
  readonly startedAt: number | null;
}

/** What one frame changes in the notebook. The view applies it; nothing else is touched. */
export type Change =
  | { readonly kind: 'run'; readonly cell: number; readonly run: ICellRun }
  | {
      readonly kind: 'stream';
      readonly cell: number;
      readonly name: 'stdout' | 'stderr';
      readonly text: string;
    }
  | { readonly kind: 'add'; readonly cell: number; readonly output: nbformat.IOutput }
  | {
      readonly kind: 'set';
      readonly cell: number;
      readonly index: number;
      readonly output: nbformat.IOutput;
    }
  | { readonly kind: 'clear'; readonly cell: number };

interface IBearer {
  readonly cell: number;
  readonly index: number;
}

const WAITING: ICellRun = { state: 'waiting', count: null, seconds: null, startedAt: null };

/**
 * Frames to changes of a notebook, by the rules of `mlk_jupyter/record/replay.py`: rank 0's outputs are the
 * notebook's; another rank is heard only when it fails. Never throws, whatever a frame holds.
 */
export class Replay {
  constructor(notebook: nbformat.INotebookContent, runningCell: number | null) {
    notebook.cells.forEach((cell, index) => {
      this._outputs.push(outputsOf(cell));
      this._runs.push(runOf(cell, index === runningCell));
    });
    this._running = runningCell;
  }

  /** Index of the running cell, null between cells. */
  get runningCell(): number | null {
    return this._running;
  }

  /** The state of one cell. */
  run(cell: number): ICellRun {
    return this._runs[cell] ?? WAITING;
  }

  /** The outputs of one cell so far. */
  outputs(cell: number): readonly nbformat.IOutput[] {
    return this._outputs[cell] ?? [];
  }

  /** Whether an update was for an output whose id a snapshot cannot tell: a fresh snapshot is needed. */
  get outdated(): boolean {
    return this._outdated;
  }

  /** What the frame changes, in the order to apply it. */
  apply(frame: Frame): Change[] {
    if (frame.rank !== undefined && frame.rank !== 0) {
      return frame.kind === 'error' ? this._failed(frame) : [];
    }
    switch (frame.kind) {
      case 'cell_started':
        return this._started(frame);
      case 'cell_finished':
        return this._finished(frame);
      case 'stream':
        return this._stream(frame);
      case 'output':
        return this._output(frame);
      case 'update_display':
        return this._update(text(frame.display_id), frame.data, frame.metadata);
      case 'clear_output':
        return this._clear(frame);
      case 'error':
        return this._failed(frame);
      default:
        return [];
    }
  }

  private _started(frame: Frame): Change[] {
    const cell = this._cell(frame);
    if (cell === null) {
      return [];
    }
    this._running = cell;
    this._runs[cell] = {
      state: 'running',
      count: number(frame.count),
      seconds: null,
      startedAt: number(frame.time)
    };
    return [...this._empty(cell), { kind: 'run', cell, run: this._runs[cell] }];
  }

  private _finished(frame: Frame): Change[] {
    const cell = this._cell(frame);
    if (cell === null) {
      return [];
    }
    if (this._running === cell) {
      this._running = null;
    }
    const status = text(frame.status);
    const state: CellState =
      status === 'error' || status === 'skipped' || status === 'expected_error' ? status : 'ok';
    this._runs[cell] = { ...this.run(cell), state, seconds: number(frame.seconds) };
    return [{ kind: 'run', cell, run: this._runs[cell] }];
  }

  private _stream(frame: Frame): Change[] {
    const cell = this._cell(frame);
    const added = text(frame.text);
    if (cell === null || !added) {
      return [];
    }
    const name = frame.name === 'stderr' ? 'stderr' : 'stdout';
    const changes = this._emptyIfDue(cell);
    const last = this._outputs[cell].at(-1);
    if (last && last.output_type === 'stream' && last.name === name) {
      last.text = `${last.text as string}${added}`;
    } else {
      this._outputs[cell].push({ output_type: 'stream', name, text: added });
    }
    return [...changes, { kind: 'stream', cell, name, text: added }];
  }

  private _output(frame: Frame): Change[] {
    const cell = this._cell(frame);
    const output = outputOf(frame.output);
    if (cell === null || output === null) {
      return [];
    }
    const displayId = 'data' in output ? text(frame.display_id) : null;
    const changes =
      displayId !== null && this._bearers.has(displayId)
        ? this._update(displayId, output.data, output.metadata)
        : [];
    changes.push(...this._emptyIfDue(cell));
    const index = this._outputs[cell].push(output) - 1;
    if (displayId !== null) {
      this._bearers.set(displayId, [...(this._bearers.get(displayId) ?? []), { cell, index }]);
    }
    changes.push({ kind: 'add', cell, output });
    return changes;
  }

  private _update(displayId: string | null, data: unknown, metadata: unknown): Change[] {
    if (displayId === null) {
      return [];
    }
    const bearers = this._bearers.get(displayId);
    if (!bearers) {
      this._outdated = true;
      return [];
    }
    return bearers.map(({ cell, index }): Change => {
      const output = {
        ...this._outputs[cell][index],
        data: isObject(data) ? data : {},
        metadata: isObject(metadata) ? metadata : {}
      } as nbformat.IOutput;
      this._outputs[cell][index] = output;
      return { kind: 'set', cell, index, output };
    });
  }

  private _clear(frame: Frame): Change[] {
    const cell = this._cell(frame);
    if (cell === null) {
      return [];
    }
    if (frame.wait === true) {
      this._due.add(cell);
      return [];
    }
    return this._empty(cell);
  }

  /** The traceback of a failure, once: rank 0's own failing cell has shown it already. */
  private _failed(frame: Frame): Change[] {
    const cell = this._cell(frame) ?? this._running;
    if (cell === null || !this._outputs[cell]) {
      return [];
    }
    const changes: Change[] = [];
    if (!this._outputs[cell].some(output => output.output_type === 'error')) {
      const output = errorOf(frame);
      this._outputs[cell].push(output);
      changes.push({ kind: 'add', cell, output });
    }
    if (this.run(cell).state === 'running') {
      this._running = null;
      this._runs[cell] = { ...this.run(cell), state: 'error' };
      changes.push({ kind: 'run', cell, run: this._runs[cell] });
    }
    return changes;
  }

  private _emptyIfDue(cell: number): Change[] {
    return this._due.has(cell) ? this._empty(cell) : [];
  }

  private _empty(cell: number): Change[] {
    this._due.delete(cell);
    if (this._outputs[cell].length === 0) {
      return [];
    }
    this._outputs[cell] = [];
    for (const [id, bearers] of this._bearers) {
      const left = bearers.filter(bearer => bearer.cell !== cell);
      if (left.length > 0) {
        this._bearers.set(id, left);
      } else {
        this._bearers.delete(id);
      }
    }
    return [{ kind: 'clear', cell }];
  }

  private _cell(frame: Frame): number | null {
    const cell = frame.cell;
    return typeof cell === 'number' && Number.isInteger(cell) && this._outputs[cell] !== undefined
      ? cell
      : null;
  }

  private readonly _outputs: nbformat.IOutput[][] = [];
  private readonly _runs: ICellRun[] = [];
  private readonly _bearers = new Map<string, readonly IBearer[]>();
  private readonly _due = new Set<number>();
  private _running: number | null;
  private _outdated = false;
}

/** The outputs of a cell as the view wants them: multi-line text joined. */
export function outputsOf(cell: nbformat.ICell): nbformat.IOutput[] {
  if (cell.cell_type !== 'code' || !Array.isArray(cell.outputs)) {
    return [];
  }
  return (cell.outputs as nbformat.IOutput[]).map(output =>
    Array.isArray(output.text) ? { ...output, text: output.text.join('') } : { ...output }
  );
}

function runOf(cell: nbformat.ICell, running: boolean): ICellRun {
  if (cell.cell_type !== 'code') {
    return WAITING;
  }
  const count = number(cell.execution_count);
  const mlk = isObject(cell.metadata.mlk) ? cell.metadata.mlk : {};
  const seconds = number(mlk.seconds);
  const startedAt = number(mlk.started_at);
  if (running) {
    return { state: 'running', count, seconds: null, startedAt };
  }
  const status = text(mlk.status);
  if (
    status === 'ok' ||
    status === 'error' ||
    status === 'skipped' ||
    status === 'expected_error'
  ) {
    return { state: status, count, seconds, startedAt };
  }
  return { state: 'waiting', count, seconds, startedAt };
}

function outputOf(raw: unknown): nbformat.IOutput | null {
  if (!isObject(raw)) {
    return null;
  }
  switch (raw.output_type) {
    case 'error':
      return errorOf(raw);
    case 'display_data':
    case 'execute_result':
      return {
        ...raw,
        output_type: raw.output_type,
        data: isObject(raw.data) ? raw.data : {},
        metadata: isObject(raw.metadata) ? raw.metadata : {}
      } as nbformat.IOutput;
    default:
      return null;
  }
}

function errorOf(raw: Readonly<Record<string, unknown>>): nbformat.IOutput {
  const traceback = Array.isArray(raw.traceback)
    ? raw.traceback.filter(line => typeof line === 'string')
    : [];
  return {
    output_type: 'error',
    ename: text(raw.ename) ?? '',
    evalue: text(raw.evalue) ?? '',
    traceback
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
