import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';

import { Api, Channel } from '../api';
import { IMlkApi, IMlkChannel } from '../tokens';
import { ours } from '../translation';

/** Requests to the server extension. */
export const api: JupyterFrontEndPlugin<IMlkApi> = {
  id: 'mlk-jupyter:api',
  description: 'The REST API of the server extension.',
  autoStart: true,
  provides: IMlkApi,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) =>
    new Api(app.serviceManager.serverSettings, ours(translator))
};

/** What the server tells by itself. */
export const channel: JupyterFrontEndPlugin<IMlkChannel> = {
  id: 'mlk-jupyter:channel',
  description: 'The one websocket of the window. It is open while something is subscribed.',
  autoStart: true,
  provides: IMlkChannel,
  requires: [IMlkApi],
  activate: (_: JupyterFrontEnd, api: IMlkApi) => new Channel(api)
};
