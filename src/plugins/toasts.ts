import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { DisposableSet } from '@lumino/disposable';

import { JobToasts } from '../jobs/toasts';
import { followSettings } from '../settings';
import { CommandIDs, IJobs } from '../tokens';
import { ours } from '../translation';

let ends = new DisposableSet();

/** A word at the end of each job. */
export const toasts: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:toasts',
  description: 'Tells when a job has ended, with a button that opens it.',
  autoStart: true,
  requires: [IJobs],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    settingRegistry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const told = new JobToasts({
      jobs,
      onOpen: id => void commands.execute(CommandIDs.openJob, { id }),
      trans: ours(translator)
    });
    ends.add(told);
    if (settingRegistry) {
      ends.add(
        followSettings(settingRegistry, settings => {
          told.isWanted = settings.get('notify').composite !== false;
        })
      );
    }
  },
  deactivate: () => {
    ends.dispose();
    ends = new DisposableSet();
  }
};
