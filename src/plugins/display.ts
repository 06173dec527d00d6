import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator } from '@jupyterlab/translation';

import { JOB_MIME, JobDisplay } from '../display/renderer';
import { CommandIDs, IBackends, IJobs, IMlkApi, IMlkChannel } from '../tokens';
import { ours } from '../translation';

/** Before all that a notebook may have of a job besides. */
const RANK = -10;

/** A job below the cell that started it, drawn from the server: no kernel is needed, and none is asked. */
export const display: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:display',
  description: 'Draws the job that an output names, live.',
  autoStart: true,
  requires: [IMlkApi, IMlkChannel, IJobs, IBackends, IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    jobs: IJobs,
    backends: IBackends,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const trans = ours(translator);
    rendermime.addFactory(
      {
        safe: true, // of the output it takes an id and nothing else
        mimeTypes: [JOB_MIME],
        createRenderer: () =>
          new JobDisplay({
            api,
            channel,
            jobs,
            backends,
            rendermime,
            trans,
            onStop: id => void commands.execute(CommandIDs.stop, { id }),
            onOpen: (id, page) => void commands.execute(CommandIDs.openJob, { id, page })
          })
      },
      RANK
    );
  }
};
