import type { IThemeManager } from '@jupyterlab/apputils';
import { Clipboard, Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { IEditorServices } from '@jupyterlab/codeeditor';
import type { StaticNotebook } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Contents } from '@jupyterlab/services';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { DisposableSet } from '@lumino/disposable';

import { CommandIDs } from '../tokens';
import type { IBackends, IJobs, IMlkApi, IMlkChannel } from '../tokens';
import { Comparison } from './comparison';
import { copyPath, download, saveCopy } from './files';
import { LiveNotebook } from './livenotebook';
import { LogPage } from './logpage';
import { MetricsPage } from './metricspage';
import { JobModel } from './model';
import type { Page } from './model';
import { NotebookPage } from './notebookpage';
import { JobTab } from './tab';

export { isPage } from './model';

/** What JupyterLab and our other features bring. */
export interface ISurroundings {
  api: IMlkApi;
  channel: IMlkChannel;
  jobs: IJobs;
  backends: IBackends;
  trans: TranslationBundle;
  commands: CommandRegistry;
  contents: Contents.IManager;
  rendermime: IRenderMimeRegistry;
  contentFactory: StaticNotebook.IContentFactory;
  editorServices: IEditorServices;
  translator: ITranslator;
  themes: IThemeManager | null;
}

/** The tab of one job, wired to its surroundings. */
export function createTab(id: string, page: Page, around: ISurroundings): JobTab {
  const { api, channel, jobs, backends, trans, commands, rendermime, translator, themes } = around;
  const model = new JobModel(id, api, channel, trans);
  const run = (command: string) => () => void commands.execute(command, { id });
  return new JobTab({
    model,
    backends,
    follow: () => DisposableSet.from([jobs.follow(), backends.follow()]),
    page,
    trans,
    actions: {
      onStop: run(CommandIDs.stop),
      onAgain: run(CommandIDs.again),
      onDelete: run(CommandIDs.remove),
      onOpenNotebook: run(CommandIDs.openNotebook)
    },
    onCopy: text => Clipboard.copyToSystem(text),
    notebookPage: () =>
      new NotebookPage({
        feed: model.frames,
        notebook: new LiveNotebook({
          rendermime: rendermime.clone({ resolver: undefined }),
          contentFactory: around.contentFactory,
          mimeTypeService: around.editorServices.mimeTypeService,
          translator,
          trans,
          pathOf: name => api.outputPath(id, name)
        }),
        trans,
        saveCopy: () => askAndSave(model, around),
        download: () => download(api.notebookDownloadUrl(id), `${id}.ipynb`, api.settings, trans)
      }),
    logPage: () =>
      new LogPage({
        model,
        sanitizer: rendermime.sanitizer,
        trans,
        download: rank =>
          download(api.logDownloadUrl(id, rank), `${id}-rank-${rank}.log`, api.settings, trans)
      }),
    metricsPage: () =>
      new MetricsPage({
        model,
        comparison: new Comparison(api, jobs, trans),
        jobs,
        titleOf: id => {
          const job = jobs.get(id) ?? (id === model.id ? model.status : null);
          return job ? jobs.titleOf(job) : id;
        },
        trans,
        theme: themes && { name: () => themes.theme ?? '', changed: themes.themeChanged }
      })
  });
}

/** Asks for a path, and again before anything is replaced; then writes the notebook there and opens it. */
async function askAndSave(model: JobModel, around: ISurroundings): Promise<void> {
  const { api, trans, commands, contents } = around;
  if (!model.status) {
    return;
  }
  const { value: path } = await InputDialog.getText({
    title: trans.__('Save a copy of the notebook as it is now'),
    label: trans.__('Path'),
    text: copyPath(model.status),
    okLabel: trans.__('Save')
  });
  if (!path || ((await exists(contents, path)) && !(await confirmReplace(path, around)))) {
    return;
  }
  await saveCopy(api, contents, model.id, path);
  await commands.execute('docmanager:open', { path });
}

async function exists(contents: Contents.IManager, path: string): Promise<boolean> {
  try {
    await contents.get(path, { content: false });
    return true;
  } catch {
    return false;
  }
}

async function confirmReplace(path: string, { trans }: ISurroundings): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Replace %1?', path),
    body: trans.__('There is a file of this name already.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Replace') })],
    defaultButton: 0
  });
  return button.accept;
}
