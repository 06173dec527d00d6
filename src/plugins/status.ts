import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';

import { StatusItem } from '../jobs/statusitem';
import { CommandIDs, IJobs } from '../tokens';
import { ours } from '../translation';

/** "2 jobs, 16 GPUs" in the status bar. */
export const status: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:status',
  description: 'Shows in the status bar how many jobs run.',
  autoStart: true,
  requires: [IJobs],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    if (!statusBar) {
      return; // Notebook 7 has none
    }
    const item = new StatusItem(
      jobs,
      () => void app.commands.execute(CommandIDs.showPanel),
      ours(translator)
    );
    const registered = statusBar.registerStatusItem('mlk-jupyter:status', {
      item,
      align: 'left',
      rank: 20,
      isActive: () => jobs.active.jobs > 0,
      activeStateChanged: item.activeStateChanged
    });
    item.disposed.connect(() => registered.dispose());
  }
};
