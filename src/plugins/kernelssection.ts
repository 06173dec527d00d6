import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';

import { actionsOf } from '../kernels/actions';
import { KernelsSection } from '../kernels/section';
import { EndingItem } from '../kernels/statusitem';
import { summaryText } from '../kernels/words';
import { CommandIDs, IKernels, IMlkPanel } from '../tokens';
import { ours } from '../translation';

/** The kernels in the side panel. */
export const kernelsSection: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:kernels-section',
  description: 'The kernels in the side panel: what they do, cost, and when they are stopped.',
  autoStart: true,
  requires: [IMlkPanel, IKernels],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    panel: IMlkPanel,
    kernels: IKernels,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const { commands } = app;
    const trans = ours(translator);
    const section = new KernelsSection({
      kernels,
      actions: actionsOf(commands, kernels, trans),
      trans
    });
    panel.addSection({
      id: 'kernels',
      title: trans.__('Kernels'),
      rank: 300,
      widget: section,
      summary: { text: () => summaryText(kernels.kernels, trans), changed: kernels.changed },
      follow: () => kernels.follow(),
      refresh: () => void kernels.refresh()
    });

    commands.addCommand(CommandIDs.showKernels, {
      label: trans.__('Show Kernels'),
      caption: trans.__('Show the kernels, what they cost, and when they are stopped'),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            id: { type: 'string', description: trans.__('The id of the kernel to point out.') }
          }
        }
      },
      execute: async ({ id }) => {
        panel.showSection('kernels');
        if (typeof id === 'string') {
          await section.reveal(id);
        }
      }
    });
    palette?.addItem({ command: CommandIDs.showKernels, category: trans.__('Kernels') });
  }
};

/** "train.ipynb stops in 4 min" in the status bar. */
export const kernelStatus: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:kernel-status',
  description: 'Shows in the status bar when a kernel is about to be stopped.',
  autoStart: true,
  requires: [IKernels],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    kernels: IKernels,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    if (!statusBar) {
      return; // Notebook 7 has none
    }
    const item = new EndingItem(
      kernels,
      () => void app.commands.execute(CommandIDs.showKernels),
      ours(translator)
    );
    const registered = statusBar.registerStatusItem('mlk-jupyter:kernel-status', {
      item,
      align: 'left',
      rank: 21,
      isActive: () => item.isActive,
      activeStateChanged: item.activeStateChanged
    });
    item.disposed.connect(() => registered.dispose());
  }
};
