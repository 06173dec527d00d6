import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';

import { StoppedNotices } from '../kernels/notices';
import { LimitSettings } from '../kernels/settings';
import { KernelToasts } from '../kernels/toasts';
import { followSettings } from '../settings';
import { CommandIDs, IKernels, IMlkApi } from '../tokens';
import { ours } from '../translation';

/** A word before a kernel is stopped, and a notice on its notebook after it. */
export const kernelNotices: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:kernel-notices',
  description: 'Tells before a kernel is stopped, and on its notebook that it was.',
  autoStart: true,
  requires: [IKernels],
  optional: [IDocumentManager, INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    kernels: IKernels,
    documents: IDocumentManager | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ) => {
    const { commands, serviceManager } = app;
    const trans = ours(translator);
    const notices =
      notebooks &&
      new StoppedNotices({
        kernels,
        notebooks,
        localPath: path => serviceManager.contents.localPath(path),
        runAll: async ({ content, sessionContext }) => {
          await NotebookActions.runAll(content, sessionContext);
        },
        openJob: id => void commands.execute(CommandIDs.openJob, { id }),
        refreshRunning: () =>
          void Promise.allSettled([
            serviceManager.kernels.refreshRunning(),
            serviceManager.sessions.refreshRunning()
          ]),
        trans
      });
    const toasts = new KernelToasts({
      kernels,
      commands,
      save: path => {
        const context = documents?.contextForWidget;
        const widget = documents?.findWidget(path, null);
        const open = widget && context ? documents.contextForWidget(widget) : undefined;
        if (open?.model.dirty && !open.model.readOnly && open.contentsModel?.writable) {
          void open.save().catch((error: unknown) => console.warn(`${path} is not saved`, error));
        }
      },
      isToldElsewhere: stopped => notices?.isShown(stopped) ?? false,
      trans
    });
    void toasts;
  }
};

/** A person's own limits, which they set beside the others. */
export const kernelSettings: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:kernel-settings',
  description: "Tells the server a person's own limits for idle kernels.",
  autoStart: true,
  requires: [IMlkApi, IKernels, ISettingRegistry],
  optional: [ITranslator],
  activate: (
    _: JupyterFrontEnd,
    api: IMlkApi,
    kernels: IKernels,
    registry: ISettingRegistry,
    translator: ITranslator | null
  ) => {
    const limits = new LimitSettings(api, kernels, ours(translator));
    followSettings(registry, settings => void limits.take(settings.composite));
  }
};
