import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Stopped } from '../api';
import { Rendered, told } from '../components';
import type { IKernels } from '../tokens';
import { kernelOf } from './current';
import { StoppedNotice } from './notice';

/** More of it is scrolled to: the notebook stays in sight. */
const HIGHEST_PX = 240;

export interface INoticesOptions {
  kernels: IKernels;
  notebooks: INotebookTracker;
  /** A path as the server calls it. */
  localPath: (path: string) => string;
  runAll: (panel: NotebookPanel) => Promise<void>;
  openJob: (id: string) => void;
  /** Kernels and sessions are other ones than JupyterLab believes. */
  refreshRunning: () => void;
  trans: TranslationBundle;
}

/** On each notebook whose kernel was stopped, a notice that stays until somebody takes it away or runs all cells. */
export class StoppedNotices {
  constructor(private readonly _options: INoticesOptions) {
    const { kernels, notebooks } = _options;
    notebooks.widgetAdded.connect((_, panel) => this._add(panel));
    notebooks.forEach(panel => this._add(panel));
    kernels.changed.connect(() => notebooks.forEach(panel => this._show(panel)));
    kernels.ended.connect(() => _options.refreshRunning());
  }

  /** Whether the notebook of a stopped kernel is open. */
  isShown({ path }: Stopped): boolean {
    return this._options.notebooks.find(panel => this._pathOf(panel) === path) !== undefined;
  }

  private _add(panel: NotebookPanel): void {
    const show = (): void => this._show(panel);
    panel.context.pathChanged.connect(show);
    panel.sessionContext.kernelChanged.connect(show);
    panel.disposed.connect(() => {
      panel.context.pathChanged.disconnect(show);
      panel.sessionContext.kernelChanged.disconnect(show);
    });
    show();
  }

  private _pathOf({ context }: NotebookPanel): string {
    return this._options.localPath(context.path);
  }

  private _show(panel: NotebookPanel): void {
    if (panel.isDisposed) {
      return;
    }
    const path = this._pathOf(panel);
    const stopped = this._options.kernels.stopped.find(each => each.path === path);
    const before = this._shown.get(panel);
    if (before && before.id === stopped?.id) {
      before.widget.update();
      return;
    }
    this._remove(panel);
    if (stopped) {
      this._place(panel, stopped);
    }
  }

  private _remove(panel: NotebookPanel): void {
    const widget = this._shown.get(panel)?.widget;
    const hadFocus = widget?.node.contains(document.activeElement);
    widget?.dispose();
    this._shown.delete(panel);
    if (hadFocus) {
      panel.content.activate();
    }
  }

  private _place(panel: NotebookPanel, stopped: Stopped): void {
    const { kernels, runAll, openJob, trans } = this._options;
    // The header gives its widgets the height that they ask for, and does not look at what is in them.
    const onHeight = (height: number): void => {
      widget.node.style.minHeight = `${Math.min(height, HIGHEST_PX)}px`;
      widget.parent?.fit();
    };
    const dismiss = async (): Promise<void> => {
      if (kernels.stopped.some(({ id }) => id === stopped.id)) {
        await kernels.dismiss(stopped.id);
      }
      this._remove(panel);
    };
    const start = async (): Promise<void> => {
      if (!hasOther(panel, stopped)) {
        await panel.sessionContext.changeKernel({ name: stopped.name });
      }
    };
    const run = (failure: string, action: () => Promise<void>): void =>
      void told(failure, trans, action);
    const widget = new Rendered(() => (
      <StoppedNotice
        stopped={stopped}
        hasKernel={hasOther(panel, stopped)}
        onRestart={() => run(trans.__('The kernel could not be started'), start)}
        onRunAll={() =>
          run(trans.__('The cells could not be run'), async () => {
            await start();
            void runAll(panel);
            await dismiss();
          })
        }
        onOpenJob={openJob}
        onDismiss={() => run(trans.__('The notice could not be taken away'), dismiss)}
        onHeight={onHeight}
        trans={trans}
      />
    ));
    widget.addClass('mlk-StoppedNotice-holder');
    panel.contentHeader.addWidget(widget);
    this._shown.set(panel, { id: stopped.id, widget });
  }

  private readonly _shown = new WeakMap<NotebookPanel, IShown>();
}

/** Whether a kernel runs other than the one that was stopped, which JupyterLab may not have missed yet. */
function hasOther(panel: NotebookPanel, { id }: Stopped): boolean {
  const kernel = kernelOf(panel);
  return kernel !== null && kernel !== id;
}

interface IShown {
  /** Of the kernel. */
  readonly id: string;
  readonly widget: Rendered;
}
