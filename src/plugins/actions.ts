import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { copyIcon, deleteIcon, notebookIcon, stopIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { ApiError } from '../api';
import type { JobSummary } from '../api';
import { meantJob } from '../jobs/clicked';
import { canStop, isFinal } from '../jobs/phase';
import { CommandIDs, IJobs } from '../tokens';

/** What can be done with a job that exists. */
export const actions: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:actions',
  description: 'Commands that stop, delete and name jobs, after asking.',
  autoStart: true,
  requires: [IJobs],
  activate: (app: JupyterFrontEnd, jobs: IJobs) => {
    const { commands } = app;
    const { trans } = jobs;
    // Only the id is taken from the arguments: what happens is shown in a dialog and decided there,
    // since a link in a notebook's output can run commands.
    const named = (args: ReadonlyPartialJSONObject): JobSummary | undefined =>
      jobs.get(meantJob(app, args) ?? '');
    const describedBy = {
      args: {
        type: 'object',
        properties: {
          id: {
            type: 'string',
            description: trans.__('The id of the job. Default: the row under the pointer.')
          }
        }
      }
    };

    commands.addCommand(CommandIDs.stop, {
      label: trans.__('Stop…'),
      caption: trans.__('Stop the job and keep what it made so far'),
      icon: stopIcon,
      describedBy,
      isEnabled: args => {
        const job = named(args);
        return job !== undefined && canStop(job.phase);
      },
      execute: async args => {
        const job = named(args);
        if (!job) {
          return;
        }
        const { button } = await showDialog({
          title: trans.__('Stop %1?', job.name),
          body: trans.__(
            'Its processes are ended. The notebook so far, the logs and the MLflow run are kept.'
          ),
          buttons: [
            Dialog.cancelButton({ label: trans.__('Keep running') }),
            Dialog.warnButton({ label: trans.__('Stop the job') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await told(jobs, trans.__('%1 could not be stopped', job.name), async () =>
            jobs.put(await jobs.api.stop(job.id))
          );
        }
      }
    });

    commands.addCommand(CommandIDs.remove, {
      label: trans.__('Delete…'),
      caption: trans.__('Delete the job and its record'),
      icon: deleteIcon,
      describedBy,
      isEnabled: args => {
        const job = named(args);
        return job !== undefined && isFinal(job.phase);
      },
      execute: async args => {
        const job = named(args);
        if (!job) {
          return;
        }
        const { button } = await showDialog({
          title: trans.__('Delete %1?', job.name),
          body: trans.__(
            'The executed notebook, the logs and the list entry are deleted for good. The MLflow run and your own notebook stay.'
          ),
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Delete the job') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await told(jobs, trans.__('%1 could not be deleted', job.name), async () => {
            await jobs.api.remove(job.id);
            jobs.drop(job.id);
          });
        }
      }
    });

    commands.addCommand(CommandIDs.copyName, {
      label: trans.__('Copy Name'),
      caption: trans.__('Copy the name of the job'),
      icon: copyIcon,
      describedBy,
      isEnabled: args => named(args) !== undefined,
      execute: args => {
        const job = named(args);
        if (job) {
          Clipboard.copyToSystem(job.name);
        }
      }
    });

    commands.addCommand(CommandIDs.openNotebook, {
      label: trans.__('Open Notebook'),
      caption: trans.__('Open the notebook that the job was made from'),
      icon: notebookIcon,
      describedBy,
      isEnabled: args => named(args) !== undefined,
      execute: async args => {
        const job = named(args);
        if (job) {
          await commands.execute('docmanager:open', { path: job.notebook });
        }
      }
    });
  }
};

/** Runs an action; its failure becomes a toast with the reason and what to do. */
async function told(jobs: IJobs, failure: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (reason) {
    const error = ApiError.from(reason, jobs.trans);
    Notification.error(`${failure}. ${error.detail} ${error.hint}`, { autoClose: false });
  }
}
