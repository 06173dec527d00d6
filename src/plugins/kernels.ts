import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';

import { KernelsModel } from '../kernels/model';
import { IKernels, IMlkApi, IMlkChannel } from '../tokens';
import { ours } from '../translation';

/** Gives everybody the one list of kernels. */
export const kernels: JupyterFrontEndPlugin<IKernels> = {
  id: 'mlk-jupyter:kernels',
  description:
    'The kernels of the server and what becomes of them, kept up to date while one runs.',
  autoStart: true,
  provides: IKernels,
  requires: [IMlkApi, IMlkChannel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    translator: ITranslator | null
  ) => {
    const model = new KernelsModel({
      api,
      channel,
      running: app.serviceManager.kernels,
      trans: ours(translator)
    });
    void app.restored.then(() => model.load());
    return model;
  }
};
