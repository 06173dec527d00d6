import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ITranslator } from '@jupyterlab/translation';
import { copyIcon, deleteIcon, notebookIcon, stopIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { createElement } from 'react';

import type { JobSummary } from '../api';
import { isCluster, refusal } from '../backends/words';
import type { Feature } from '../backends/words';
import { told } from '../components';
import { meantJob } from '../jobs/clicked';
import { askAndDelete, severalIds } from '../jobs/deletion';
import { checkpointsOf, deletionText, StopChoices } from '../jobs/ending';
import type { Checkpoints } from '../jobs/ending';
import { canStop } from '../jobs/phase';
import { findSource } from '../jobs/source';
import { CommandIDs, IBackends, IJobs, IMlkApi } from '../tokens';
import { ours } from '../translation';

/** What can be done with a job that exists. */
export const actions: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:actions',
  description: 'Commands that stop, delete and name jobs, after asking.',
  autoStart: true,
  requires: [IMlkApi, IJobs, IBackends],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    jobs: IJobs,
    backends: IBackends,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const { contents } = app.serviceManager;
    const trans = ours(translator);
    // Only the id is taken from the arguments: what happens is shown in a dialog and decided there,
    // since a link in a notebook's output can run commands.
    const named = (args: ReadonlyPartialJSONObject): JobSummary | undefined =>
      jobs.get(meantJob(app, args) ?? '');
    const refused = (args: ReadonlyPartialJSONObject, feature: Feature): string | null => {
      const job = named(args);
      return job ? refusal(backends.get(job.backend), feature, trans) : null;
    };
    const checkpoints = async (job: JobSummary): Promise<Checkpoints> => {
      const onCluster = isCluster(backends.get(job.backend));
      // Only where they are depends on more than a row tells; that is no reason not to stop a job.
      const status = onCluster ? await api.job(job.id).catch(() => null) : null;
      return checkpointsOf(status, onCluster);
    };
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
      caption: args =>
        refused(args, 'stop') ?? trans.__('Stop the job and keep what it made so far'),
      icon: stopIcon,
      describedBy,
      isEnabled: args => {
        const job = named(args);
        return job !== undefined && canStop(job.phase) && !refused(args, 'stop');
      },
      execute: async args => {
        const job = named(args);
        if (!job) {
          return;
        }
        const canDelete = !refused(args, 'delete');
        const { button } = await showDialog({
          title: trans.__('Stop %1?', jobs.titleOf(job)),
          body: createElement(StopChoices, {
            job,
            checkpoints: await checkpoints(job),
            canDelete,
            trans
          }),
          buttons: [
            Dialog.cancelButton({ label: trans.__('Keep running') }),
            ...(canDelete
              ? [Dialog.cancelButton({ label: trans.__('Delete…'), actions: [DELETE] })]
              : []),
            Dialog.warnButton({ label: trans.__('Stop') })
          ],
          defaultButton: 0
        });
        if (button.actions.includes(DELETE)) {
          await commands.execute(CommandIDs.remove, { id: job.id });
        } else if (button.accept) {
          await told(trans.__('%1 could not be stopped', jobs.titleOf(job)), trans, async () =>
            jobs.put(await api.stop(job.id))
          );
        }
      }
    });

    commands.addCommand(CommandIDs.remove, {
      label: trans.__('Delete…'),
      caption: args => refused(args, 'delete') ?? trans.__('Delete the job and its record'),
      icon: deleteIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            ...describedBy.args.properties,
            ids: {
              type: 'array',
              items: { type: 'string' },
              description: trans.__('The ids of several jobs, in place of `id`.')
            }
          }
        }
      },
      isEnabled: args =>
        Array.isArray(args.ids)
          ? severalIds(args).length > 0
          : named(args) !== undefined && !refused(args, 'delete'),
      execute: async args => {
        const several = severalIds(args).flatMap(id => jobs.get(id) ?? []);
        if (several.length > 1) {
          return askAndDelete(several, { api, jobs, backends, trans });
        }
        // Where all that were named are gone already, no other is meant.
        const job = Array.isArray(args.ids) ? several.at(0) : named(args);
        if (!job) {
          return;
        }
        const { button } = await showDialog({
          title: trans.__('Delete %1?', jobs.titleOf(job)),
          body: deletionText(job, await checkpoints(job), trans),
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Delete the job') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await told(trans.__('%1 could not be deleted', jobs.titleOf(job)), trans, async () => {
            await api.remove(job.id);
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
          await told(trans.__('%1 cannot be opened here', job.notebook), trans, async () => {
            const root = PageConfig.getOption('serverRoot');
            const path = await findSource(job.notebook, root, contents, trans);
            await commands.execute('docmanager:open', { path });
          });
        }
      }
    });
  }
};

/** What the button that goes on to the deletion carries. */
const DELETE = 'delete';
