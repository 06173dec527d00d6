import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon } from '../components';
import { actionsOf } from '../jobs/actions';
import { JobsPanel } from '../jobs/panel';
import { CommandIDs, IJobs } from '../tokens';

/** The side panel with the list of jobs. */
export const panel: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:panel',
  description: 'A side panel with the list of jobs.',
  autoStart: true,
  requires: [IJobs],
  optional: [ISettingRegistry, ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    settingRegistry: ISettingRegistry | null,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const { commands, shell } = app;
    const { trans } = jobs;
    const widget = new JobsPanel({
      jobs,
      actions: actionsOf(commands),
      onRun: () => void commands.execute(CommandIDs.submit),
      onRemoveOrphans: () => void commands.execute(CommandIDs.removeOrphans),
      translator: translator ?? nullTranslator
    });
    let placed = '';
    const place = (side: string): void => {
      if (side !== placed) {
        placed = side;
        shell.add(widget, side, { rank: 250, type: 'Jobs' });
      }
    };
    place('left');
    restorer?.add(widget, widget.id);

    void settingRegistry
      ?.load(panel.id)
      .then(settings => {
        const apply = (): void => place(settings.get('side').composite as string);
        apply();
        settings.changed.connect(apply);
        widget.disposed.connect(() => settings.changed.disconnect(apply));
      })
      .catch((error: unknown) =>
        console.error('The settings of the jobs panel cannot be read', error)
      );

    commands.addCommand(CommandIDs.showPanel, {
      label: trans.__('Show Jobs'),
      caption: trans.__('Show the panel with the list of jobs'),
      icon: args => (args.isPalette ? undefined : jobsIcon),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shell.activateById(widget.id)
    });
    palette?.addItem({
      command: CommandIDs.showPanel,
      category: trans.__('Jobs'),
      args: { isPalette: true }
    });
  }
};
