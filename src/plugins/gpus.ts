import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';

import { actionsOf } from '../gpus/actions';
import { GpusModel } from '../gpus/model';
import { GpusSection } from '../gpus/section';
import { CommandIDs, IGpus, IKernels, IMlkApi, IMlkChannel, IMlkPanel } from '../tokens';
import { ours } from '../translation';

/** Gives everybody the one list of accelerators. */
export const gpus: JupyterFrontEndPlugin<IGpus> = {
  id: 'mlk-jupyter:gpus',
  description: 'The accelerators of every place, kept up to date while somebody looks.',
  autoStart: true,
  provides: IGpus,
  requires: [IMlkApi, IMlkChannel],
  optional: [ITranslator],
  activate: (
    _: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    translator: ITranslator | null
  ) => new GpusModel({ api, channel, trans: ours(translator) })
};

/** The GPUs in the side panel. */
export const gpusSection: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:gpus-section',
  description: 'The GPUs in the side panel: what is free, who holds what, what does nothing.',
  autoStart: true,
  requires: [IMlkPanel, IGpus, IKernels],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    panel: IMlkPanel,
    gpus: IGpus,
    kernels: IKernels,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const { commands } = app;
    const trans = ours(translator);
    const widget = new GpusSection({ gpus, actions: actionsOf(commands, gpus, kernels), trans });
    panel.addSection({
      id: 'gpus',
      title: trans.__('GPUs'),
      rank: 250,
      widget,
      summary: { text: () => widget.summary, changed: widget.summaryChanged },
      isOpen: false,
      refresh: () => void gpus.refresh()
    });

    commands.addCommand(CommandIDs.showGpus, {
      label: trans.__('Show GPUs'),
      caption: trans.__('Show which GPUs are free, who holds them, and which do nothing'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => panel.showSection('gpus')
    });
    palette?.addItem({ command: CommandIDs.showGpus, category: trans.__('GPUs') });
  }
};
