import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';

import { BackendsModel } from '../backends/model';
import { JobsModel } from '../jobs/model';
import { IBackends, IJobs, IMlkApi, IMlkChannel } from '../tokens';
import { ours } from '../translation';

/** Gives everybody the one list of jobs. */
export const jobs: JupyterFrontEndPlugin<IJobs> = {
  id: 'mlk-jupyter:jobs',
  description: 'The jobs that the server knows, kept up to date while somebody looks or one runs.',
  autoStart: true,
  provides: IJobs,
  requires: [IMlkApi, IMlkChannel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    translator: ITranslator | null
  ) => {
    const model = new JobsModel({ api, channel, trans: ours(translator) });
    void app.restored.then(() => model.load());
    return model;
  }
};

/** Gives everybody the one list of places where jobs run. */
export const backends: JupyterFrontEndPlugin<IBackends> = {
  id: 'mlk-jupyter:backends',
  description: 'The places where jobs run, kept up to date while somebody looks.',
  autoStart: true,
  provides: IBackends,
  requires: [IMlkApi, IMlkChannel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    translator: ITranslator | null
  ) => {
    const model = new BackendsModel({ api, channel, trans: ours(translator) });
    void app.restored.then(() => model.load());
    return model;
  }
};
