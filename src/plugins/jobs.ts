import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api, Channel } from '../api';
import { JobsModel } from '../jobs/model';
import { DOMAIN, IJobs } from '../tokens';

/** Gives everybody the one list of jobs. */
export const jobs: JupyterFrontEndPlugin<IJobs> = {
  id: 'mlk-jupyter:jobs',
  description: 'The jobs that the server knows, kept up to date over one websocket.',
  autoStart: true,
  provides: IJobs,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): IJobs => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings, trans);
    return new JobsModel({ api, channel: new Channel(api), trans });
  }
};
