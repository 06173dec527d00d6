import type { Cell } from '@jupyterlab/cells';
import { CodeCell } from '@jupyterlab/cells';
import type { IEditorMimeTypeService } from '@jupyterlab/codeeditor';
import type * as nbformat from '@jupyterlab/nbformat';
import { NotebookModel, StaticNotebook } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { took } from '../components';
import { VIEW } from './widgetmodels';
import type { WidgetModels } from './widgetmodels';
import { WidgetView } from './widgetview';
import type { IWidgetSource } from './widgetview';
import { linked } from './large';
import type { PathOf } from './large';
import { outputsOf } from './replay';
import type { Change, ICellRun, Replay } from './replay';
import { shortened, TOO_MUCH_TEXT } from './shorten';

/** More cells than these are windowed: hundreds of editors take seconds to make and to scroll. */
const MOST_ON_PAGE = 100;

export interface ILiveNotebookOptions {
  rendermime: IRenderMimeRegistry;
  contentFactory: StaticNotebook.IContentFactory;
  mimeTypeService: IEditorMimeTypeService;
  translator: ITranslator;
  trans: TranslationBundle;
  /** Where the file of an output lies that was too large for the notebook. */
  pathOf: PathOf;
}

/**
 * A notebook to look at while it runs: core's own cells, read-only and never trusted.
 *
 * A snapshot is laid over what is shown; only cells and outputs that differ are drawn anew.
 */
export class LiveNotebook extends StaticNotebook {
  constructor(options: ILiveNotebookOptions) {
    const readOnly = { ...StaticNotebook.defaultEditorConfig };
    super({
      rendermime: options.rendermime,
      contentFactory: options.contentFactory,
      mimeTypeService: options.mimeTypeService,
      translator: options.translator,
      editorConfig: readOnly,
      notebookConfig: {
        ...StaticNotebook.defaultNotebookConfig,
        windowingMode: 'contentVisibility',
        showEditorForReadOnlyMarkdown: false,
        scrollPastEnd: false
      }
    });
    options.rendermime.addFactory(
      {
        safe: true, // unlike ipywidgets' own, ours shows nothing unsanitised
        mimeTypes: [VIEW],
        createRenderer: ({ sanitizer }) => new WidgetView(this._widgets, sanitizer)
      },
      -10
    );
    this._trans = options.trans;
    this._pathOf = options.pathOf;
    this.addClass('mlk-LiveNotebook');
    // Commands for notebooks that run code look for these: none of them fits here.
    delete this.node.dataset.jpKernelUser;
    delete this.node.dataset.jpUndoer;
    delete this.node.dataset.jpCodeRunner;
  }

  /** Shows a snapshot; what is equal to what is shown stays as it is. */
  load(notebook: nbformat.INotebookContent, replay: Replay): void {
    this._widgets.models = replay.widgets;
    if (!this.model || !this._sameCells(notebook)) {
      this._replace(notebook);
    } else {
      notebook.cells.forEach((cell, index) =>
        this._setOutputs(
          index,
          outputsOf(cell).map(output => this._shown(output))
        )
      );
    }
    notebook.cells.forEach((_, index) => this._mark(index, replay.run(index)));
    this._widgets.changed.emit();
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'widgets') {
        this._widgets.changed.emit();
        continue;
      }
      const outputs = this._codeCell(change.cell)?.model.outputs;
      if (!outputs) {
        continue;
      }
      switch (change.kind) {
        case 'run':
          this._mark(change.cell, change.run);
          break;
        case 'stream':
          outputs.add({ output_type: 'stream', name: change.name, text: change.text });
          this._shortenLast(outputs);
          break;
        case 'add':
          outputs.add(this._shown(change.output));
          break;
        case 'set':
          outputs.set(change.index, this._shown(change.output));
          break;
        case 'clear':
          outputs.clear();
          break;
      }
    }
  }

  override dispose(): void {
    const { model } = this;
    super.dispose();
    model?.dispose();
  }

  protected override onCellInserted(index: number, cell: Cell): void {
    super.onCellInserted(index, cell);
    cell.syncEditable = false;
    cell.readOnly = true;
  }

  private _replace(notebook: nbformat.INotebookContent): void {
    const before = this.model;
    // Few cells are all on the page, where the browser finds their text; of many, only those in sight.
    const isLong = notebook.cells.length > MOST_ON_PAGE;
    this.notebookConfig = {
      ...this.notebookConfig,
      windowingMode: isLong ? 'full' : 'contentVisibility'
    };
    const model = new NotebookModel();
    model.fromJSON(this._forPage(untrusted(notebook)));
    model.readOnly = true;
    this.model = model;
    before?.dispose();
  }

  /** An output as the page shows it: of long text its end, and a link where a file holds it. */
  private _shown(output: nbformat.IOutput): nbformat.IOutput {
    return linked(shortened(output, this._trans), this._pathOf);
  }

  private _forPage(notebook: nbformat.INotebookContent): nbformat.INotebookContent {
    const cells = notebook.cells.map(cell =>
      cell.cell_type === 'code'
        ? { ...cell, outputs: outputsOf(cell).map(output => this._shown(output)) }
        : cell
    );
    return { ...notebook, cells };
  }

  private _sameCells(notebook: nbformat.INotebookContent): boolean {
    return (
      notebook.cells.length === this.widgets.length &&
      notebook.cells.every((cell, index) => cell.id === this.widgets[index].model.id)
    );
  }

  private _shortenLast(outputs: CodeCell['model']['outputs']): void {
    const index = outputs.length - 1;
    const output = outputs.get(index).toJSON();
    const short = shortened(output, this._trans, TOO_MUCH_TEXT);
    if (short !== output) {
      outputs.set(index, short);
    }
  }

  private _setOutputs(index: number, wanted: readonly nbformat.IOutput[]): void {
    const outputs = this._codeCell(index)?.model.outputs;
    if (!outputs || JSON.stringify(outputs.toJSON()) === JSON.stringify(wanted)) {
      return;
    }
    outputs.fromJSON([...wanted]);
  }

  private _mark(index: number, run: ICellRun): void {
    const cell = this._codeCell(index);
    if (!cell) {
      return;
    }
    cell.model.executionCount = run.count;
    cell.model.executionState = run.state === 'running' ? 'running' : 'idle';
    cell.node.dataset.mlkState = run.state;
    if (run.seconds === null) {
      delete cell.node.dataset.mlkTook;
    } else {
      cell.node.dataset.mlkTook = took(run.seconds, this._trans);
    }
  }

  private _codeCell(index: number): CodeCell | null {
    const cell = this.widgets[index];
    return cell instanceof CodeCell ? cell : null;
  }

  private readonly _widgets = new WidgetSource();
  private readonly _trans: TranslationBundle;
  private readonly _pathOf: PathOf;
}

class WidgetSource implements IWidgetSource {
  models: WidgetModels | null = null;
  readonly changed = new Signal<this, void>(this);
}

/** What comes back from a job is never trusted, whatever its metadata says. */
export function untrusted(notebook: nbformat.INotebookContent): nbformat.INotebookContent {
  return {
    ...notebook,
    cells: notebook.cells.map(cell => {
      const { trusted: _, ...metadata } = cell.metadata;
      const outputs = cell.cell_type === 'code' ? { outputs: outputsOf(cell) } : {};
      return { ...cell, ...outputs, metadata } as nbformat.ICell;
    })
  };
}
