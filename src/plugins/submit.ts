import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import { ApiError } from '../api';
import type { JobStatus } from '../api';
import { isCluster } from '../backends/words';
import { jobsIcon } from '../components';
import { meantJob } from '../jobs/clicked';
import { canRun, contextOf, lastBackend, remember, save } from '../submit/document';
import { CommandIDs, IBackends, IJobs, IMlkApi } from '../tokens';
import { ours } from '../translation';

/** The dialog that makes jobs, and everything that opens it. */
export const submit: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:submit',
  description: 'Runs a notebook or script as a job, after a dialog that shows what it will use.',
  autoStart: true,
  requires: [IMlkApi, IJobs, IBackends, IDocumentManager],
  optional: [ICommandPalette, IFileBrowserFactory, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    jobs: IJobs,
    backends: IBackends,
    documents: IDocumentManager,
    palette: ICommandPalette | null,
    browsers: IFileBrowserFactory | null,
    translator: ITranslator | null
  ) => {
    const { commands, shell } = app;
    const trans = ours(translator);

    /** The dialog for one file; `earlier` fills in the values of an earlier job. */
    const ask = async (path: string, earlier?: JobStatus): Promise<void> => {
      const [{ askAndSubmit }, { SubmitModel }] = await Promise.all([
        import('../submit/dialog'),
        import('../submit/model')
      ]);
      const context = contextOf(documents, path);
      await save(context);
      const local = app.serviceManager.contents.localPath(path);
      const model = new SubmitModel({
        api,
        backends,
        trans,
        path: local,
        spec: earlier?.spec,
        backend: earlier?.backend ?? lastBackend(context)
      });
      const following = backends.follow();
      const job = await askAndSubmit({
        model,
        path: local,
        translator: translator ?? nullTranslator,
        trans
      }).finally(() => following.dispose());
      if (job) {
        jobs.put(job);
        await remember(context, job, isCluster(backends.get(job.backend)));
        await commands.execute(CommandIDs.openJob, { id: job.id });
      }
    };
    let isAsking = false;
    /** Runs what opens the dialog, once at a time: core would queue a second one behind the first. */
    const told = async (action: () => Promise<void>): Promise<void> => {
      if (isAsking) {
        return;
      }
      isAsking = true;
      try {
        await action();
      } catch (reason) {
        const error = ApiError.from(reason, trans);
        await showErrorMessage(error.title, `${error.detail} ${error.hint}`);
      } finally {
        isAsking = false;
      }
    };
    /** The file in front, if it can run. */
    const front = (): string | undefined => {
      const path = contextOf(documents, shell.currentWidget)?.path;
      return path && canRun(path) ? path : undefined;
    };
    const chosen = async (): Promise<string | undefined> => {
      const { FileDialog } = await import('@jupyterlab/filebrowser');
      const { value } = await FileDialog.getOpenFiles({
        manager: documents,
        title: trans.__('Choose a notebook or script to run'),
        filter: file => (canRun(file.path) ? {} : null),
        translator: translator ?? undefined
      });
      return value?.map(file => file.path).find(canRun);
    };

    const label = (): string =>
      isCluster(backends.chosen) ? trans.__('Run on Cluster…') : trans.__('Run as a Job…');
    let shown = label();
    backends.changed.connect(() => {
      if (label() !== shown) {
        shown = label();
        [CommandIDs.submit, CommandIDs.submitSelected]
          .filter(id => commands.hasCommand(id))
          .forEach(id => commands.notifyCommandChanged(id));
      }
    });

    // Nothing but the path is taken from the arguments, and a dialog shows what would happen: a link in
    // a notebook's output can run commands.
    commands.addCommand(CommandIDs.submit, {
      label,
      caption: trans.__('Save the notebook and run it as a job'),
      icon: args => (args.isPalette ? undefined : jobsIcon),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            path: {
              type: 'string',
              description: trans.__('The notebook or script. Default: the one in front.')
            }
          }
        }
      },
      execute: args =>
        told(async () => {
          const path = typeof args.path === 'string' ? args.path : (front() ?? (await chosen()));
          if (path && canRun(path)) {
            await ask(path);
          }
        })
    });
    palette?.addItem({
      command: CommandIDs.submit,
      category: trans.__('Jobs'),
      args: { isPalette: true }
    });

    if (browsers) {
      const selected = (): string | undefined => {
        const items = [...(browsers.tracker.currentWidget?.selectedItems() ?? [])];
        return items.length === 1 && canRun(items[0].path) ? items[0].path : undefined;
      };
      commands.addCommand(CommandIDs.submitSelected, {
        label,
        caption: trans.__('Run the selected notebook or script as a job'),
        icon: jobsIcon,
        describedBy: { args: { type: 'object', properties: {} } },
        isVisible: () => selected() !== undefined,
        execute: () =>
          told(async () => {
            const path = selected();
            if (path) {
              await ask(path);
            }
          })
      });
    }

    commands.addCommand(CommandIDs.again, {
      label: trans.__('Run Again…'),
      caption: trans.__('Open the dialog with the values of this job'),
      icon: refreshIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            id: {
              type: 'string',
              description: trans.__('The id of the job. Default: the row under the pointer.')
            }
          }
        }
      },
      isEnabled: args => jobs.get(meantJob(app, args) ?? '') !== undefined,
      execute: args =>
        told(async () => {
          const id = meantJob(app, args);
          if (id) {
            const earlier = await api.job(id);
            await ask(earlier.spec.notebook, earlier);
          }
        })
    });
  }
};
