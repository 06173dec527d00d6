import type * as nbformat from '@jupyterlab/nbformat';

import { WidgetModels } from './widgetmodels';

/** One frame as the server hands it on; what has the wrong type counts as missing (see worker/frames.py). */
export type Frame = Readonly<Record<string, unknown>>;

/** Where one cell is in its life. `interrupted`: it began, and its process ended before it did. */
export type CellState =
  'waiting' | 'running' | 'ok' | 'error' | 'skipped' | 'expected_error' | 'interrupted';

export interface ICellRun {
  readonly state: CellState;
  /** Execution count, null before it ran. */
  readonly count: number | null;
  /** How long it took, null while not known. */
  readonly seconds: number | null;
}

/** What a frame changes in the notebook. The view applies it; nothing else is touched. */
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
  | { readonly kind: 'clear'; readonly cell: number }
  | { readonly kind: 'widgets' };

interface IBearer {
  readonly cell: number;
  readonly index: number;
}

const EXIT_OF_SIGTERM = 143;
/** Outputs that one update changes here; where more bear the id, a snapshot shows the others. */
const MOST_BEARERS = 100;
/** Characters of outputs that are added to a snapshot; the server bounds what the next one holds. */
const MOST_ADDED = 64 * 1024 * 1024;
const WAITING: ICellRun = { state: 'waiting', count: null, seconds: null };

/**
 * Frames to changes of a notebook, by the rules of `mlk_jupyter/record/replay.py`: rank 0's outputs are the
 * notebook's; another rank is heard only when it fails first. Never throws, whatever a frame holds.
 */
export class Replay {
  constructor(notebook: nbformat.INotebookContent, runningCell: number | null) {
    notebook.cells.forEach((cell, index) => {
      this._isCode.push(cell.cell_type === 'code');
      this._outputs.push(outputsOf(cell));
      this._runs.push(runOf(cell, index === runningCell));
    });
    this.widgets = new WidgetModels(notebook.metadata ?? {});
    this._running = runningCell;
    this._latest = runningCell;
    this._hasFailed = notebook.cells.some((_, index) => this._showsFailure(index));
  }

  /** The state of the notebook's widgets. */
  readonly widgets: WidgetModels;

  /** Index of the running cell, null between cells. */
  get runningCell(): number | null {
    return this._running;
  }

  /** How one cell is doing. */
  run(cell: number): ICellRun {
    return this._runs[cell] ?? WAITING;
  }

  /** The outputs of one cell so far. */
  outputs(cell: number): readonly nbformat.IOutput[] {
    return this._outputs[cell] ?? [];
  }

  /**
   * Whether a fresh snapshot is needed: an update was for an output whose id a snapshot cannot tell, or a rank
   * failed (another one's failure, of the same moment but not told yet, may turn out to be the cause).
   */
  get outdated(): boolean {
    return this._outdated;
  }

  /** What the frame changes, in the order to apply it. */
  apply(frame: Frame): Change[] {
    if (frame.kind === 'error') {
      return this._fail(frame, frame);
    }
    if (frame.kind === 'rank_finished') {
      return this._rankFinished(frame);
    }
    if (rankOf(frame) !== 0) {
      return [];
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
      case 'widget':
        return this.widgets.apply(frame.comm_id, frame.state, frame.buffers)
          ? [{ kind: 'widgets' }]
          : [];
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
    this._latest = cell;
    return [this._set(cell, { state: 'running', count: number(frame.count), seconds: null })];
  }

  private _finished(frame: Frame): Change[] {
    const cell = this._cell(frame);
    const state = stateOf(frame.status);
    if (cell === null || state === null) {
      return [];
    }
    if (this._running === cell) {
      this._running = null;
    }
    const seconds = state === 'skipped' ? null : number(frame.seconds);
    return [this._set(cell, { ...this.run(cell), state, seconds })];
  }

  private _stream(frame: Frame): Change[] {
    const cell = this._shownIn(frame);
    const added = text(frame.text);
    if (cell === null || !added || !this._hasRoom(added.length)) {
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
    const cell = this._shownIn(frame);
    const output = outputOf(frame.output);
    if (cell === null || output === null || !this._hasRoom(JSON.stringify(output).length)) {
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
      const others = this._bearers.get(displayId) ?? [];
      this._outdated ||= others.length >= MOST_BEARERS;
      this._bearers.set(displayId, [...others.slice(1 - MOST_BEARERS), { cell, index }]);
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

  private _hasRoom(added: number): boolean {
    this._added += added;
    this._outdated ||= this._added > MOST_ADDED;
    return this._added <= MOST_ADDED;
  }

  private _clear(frame: Frame): Change[] {
    const cell = this._shownIn(frame);
    if (cell === null) {
      return [];
    }
    if (frame.wait === true) {
      this._due.add(cell);
      return [];
    }
    return this._empty(cell);
  }

  private _rankFinished(frame: Frame): Change[] {
    const code = number(frame.exit_code);
    const signal = text(frame.signal);
    const stopped = code === EXIT_OF_SIGTERM || signal === 'SIGTERM';
    const failed = !stopped && (Boolean(code) || signal !== null);
    const changes = failed ? this._fail(frame, { evalue: frame.text }) : [];
    if (rankOf(frame) === 0 && this._running !== null) {
      const cell = this._running;
      this._running = null;
      changes.push(this._set(cell, { ...this.run(cell), state: failed ? 'error' : 'interrupted' }));
    }
    return changes;
  }

  /** The first failure of any rank as an output, unless rank 0's failing cell has shown it already. */
  private _fail(frame: Frame, error: Frame): Change[] {
    const rank = rankOf(frame);
    const cell = this._shownIn(frame);
    if (this._hasFailed || cell === null) {
      return [];
    }
    this._hasFailed = true;
    if (rank === 0 && this._outputs[cell].some(isError)) {
      return [];
    }
    const { ename, evalue, traceback } = errorOf(error);
    const what = [ename, evalue].filter(Boolean).join(': ');
    const output: nbformat.IError = {
      output_type: 'error',
      ename: ename || 'RankFailed',
      evalue: `[rank ${rank}] ${evalue}`,
      traceback: [`Rank ${rank} failed first: ${what}`, ...traceback]
    };
    this._outputs[cell].push(output);
    this._outdated = true;
    return [{ kind: 'add', cell, output }];
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

  private _set(cell: number, run: ICellRun): Change {
    this._runs[cell] = run;
    return { kind: 'run', cell, run };
  }

  /** The code cell that the frame names. */
  private _cell(frame: Frame): number | null {
    const cell = frame.cell;
    return typeof cell === 'number' && this._isCode[cell] ? cell : null;
  }

  /** The cell that an output belongs to: the one it names, else the latest that ran. */
  private _shownIn(frame: Frame): number | null {
    return this._cell(frame) ?? this._latest;
  }

  private _showsFailure(cell: number): boolean {
    return this.run(cell).state !== 'expected_error' && this._outputs[cell].some(isError);
  }

  private readonly _isCode: boolean[] = [];
  private readonly _outputs: nbformat.IOutput[][] = [];
  private readonly _runs: ICellRun[] = [];
  private readonly _bearers = new Map<string, readonly IBearer[]>();
  private readonly _due = new Set<number>();
  private _running: number | null;
  private _latest: number | null;
  private _hasFailed: boolean;
  private _outdated = false;
  private _added = 0;
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
  const mlk = isObject(cell.metadata.mlk) ? cell.metadata.mlk : {};
  const began = number(mlk.started) !== null;
  return {
    state: running ? 'running' : (stateOf(mlk.status) ?? (began ? 'interrupted' : 'waiting')),
    count: number(cell.execution_count),
    seconds: number(mlk.seconds)
  };
}

function stateOf(status: unknown): CellState | null {
  switch (status) {
    case 'ok':
    case 'error':
    case 'skipped':
    case 'expected_error':
      return status;
    default:
      return null;
  }
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

function errorOf(raw: Frame): nbformat.IError {
  const traceback = Array.isArray(raw.traceback) ? raw.traceback : [];
  return {
    output_type: 'error',
    ename: text(raw.ename) ?? '',
    evalue: text(raw.evalue) ?? '',
    traceback: traceback.filter((line): line is string => typeof line === 'string')
  };
}

function isError(output: nbformat.IOutput): boolean {
  return output.output_type === 'error';
}

function rankOf(frame: Frame): number {
  return number(frame.rank) ?? 0;
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
