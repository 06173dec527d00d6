import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';

import { RunButton } from '../submit/button';
import { CommandIDs, IJobs } from '../tokens';
import { ours } from '../translation';

/** The button in the toolbar of notebooks; where it stands is in schema/notebook.json. */
export const notebook: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:notebook',
  description: 'A button on notebooks that runs them as jobs.',
  autoStart: true,
  requires: [IJobs, IToolbarWidgetRegistry],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    toolbars: IToolbarWidgetRegistry,
    translator: ITranslator | null
  ) => {
    const trans = ours(translator);
    const { commands, serviceManager } = app;
    toolbars.addFactory<NotebookPanel>(
      'Notebook',
      'mlk-run',
      ({ context }) =>
        new RunButton({
          jobs,
          context,
          localPath: path => serviceManager.contents.localPath(path),
          onRun: () => void commands.execute(CommandIDs.submit, { path: context.path }),
          onOpen: id => void commands.execute(CommandIDs.openJob, { id }),
          trans
        })
    );
  }
};
