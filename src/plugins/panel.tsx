import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon, Rendered } from '../components';
import { PanelHeader } from '../panel/header';
import { takeLink } from '../panel/link';
import { MlkPanel } from '../panel/panel';
import { followSettings } from '../settings';
import { CommandIDs, IMlkChannel, IMlkPanel } from '../tokens';
import { ours } from '../translation';

/** The side panel; what is in it, other plugins bring. */
export const panel: JupyterFrontEndPlugin<IMlkPanel> = {
  id: 'mlk-jupyter:panel',
  description: 'A side panel into which features bring their sections.',
  autoStart: true,
  provides: IMlkPanel,
  requires: [IMlkChannel],
  optional: [ISettingRegistry, IStateDB, ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    channel: IMlkChannel,
    settingRegistry: ISettingRegistry | null,
    state: IStateDB | null,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const { commands, shell } = app;
    const trans = ours(translator);
    const header = new Rendered(
      () => (
        <PanelHeader
          link={channel.link}
          onRun={() => void commands.execute(CommandIDs.submit)}
          onRefresh={() => {
            channel.retry();
            widget.refresh();
          }}
          trans={trans}
        />
      ),
      { signals: [channel.linkChanged] }
    );
    const widget = new MlkPanel({
      title: trans.__('Jobs'),
      header,
      onShow: () => shell.activateById(widget.id),
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
    if (state) {
      // Core opens and folds sections by their position, once; what we know by their names comes after it.
      void app.restored.then(() => widget.remember(state));
    }
    if (takeLink()) {
      void app.restored.then(() => shell.activateById(widget.id));
    }
    if (settingRegistry) {
      const following = followSettings(settingRegistry, settings =>
        place(settings.get('side').composite as string)
      );
      widget.disposed.connect(() => following.dispose());
    }

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
    return widget;
  }
};
