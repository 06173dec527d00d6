import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { IDocumentManager, IRecentsManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import { ApiError } from '../api';
import type { JobStatus } from '../api';
import { isCluster } from '../backends/words';
import { jobsIcon } from '../components';
import { meantJob } from '../jobs/clicked';
import type { IEntry } from '../submit/choose';
import { canRun, contextOf, save } from '../submit/document';
import { LastUsed } from '../submit/lastused';
import { CommandIDs, IBackends, IJobs, IMlkApi } from '../tokens';
import { ours } from '../translation';

/** Documents of late that are offered. */
const RECENT = 6;

/** The dialog that makes jobs, and everything that opens it. */
export const submit: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:submit',
  description: 'Runs a notebook or script as a job, after a dialog that shows what it will use.',
  autoStart: true,
  requires: [IMlkApi, IJobs, IBackends, IDocumentManager],
  optional: [ICommandPalette, IFileBrowserFactory, ITranslator, IStateDB, IRecentsManager],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    jobs: IJobs,
    backends: IBackends,
    documents: IDocumentManager,
    palette: ICommandPalette | null,
    browsers: IFileBrowserFactory | null,
    translator: ITranslator | null,
    state: IStateDB | null,
    recents: IRecentsManager | null
  ) => {
    const { commands, shell } = app;
    const { contents } = app.serviceManager;
    const trans = ours(translator);
    const lastUsed = new LastUsed(state);

    /** The dialog for one file; `earlier` fills in the values of an earlier job. */
    const ask = async (path: string, earlier?: JobStatus): Promise<void> => {
      const [{ askAndSubmit }, { SubmitModel }] = await Promise.all([
        import('../submit/dialog'),
        import('../submit/model')
      ]);
      await save(contextOf(documents, path));
      const local = contents.localPath(path);
      const model = new SubmitModel({
        api,
        backends,
        trans,
        path: local,
        spec: earlier?.spec,
        backend: earlier?.backend,
        last: await lastUsed.get(path)
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
        await lastUsed.put(path, job, isCluster(backends.get(job.backend)));
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
    /** The documents of the main area that can run. */
    const opened = (): string[] =>
      [...shell.widgets('main')]
        .map(widget => contextOf(documents, widget)?.path ?? '')
        .filter(canRun);
    const chosen = async (): Promise<string | null> => {
      const { choose } = await import('../submit/choose');
      const recent = (recents?.recentlyOpened ?? []).map(({ path }) => path).filter(canRun);
      return choose({
        open: [...new Set(opened())],
        recent: [...new Set(recent)].slice(0, RECENT),
        folder: browsers?.tracker.currentWidget?.model.path ?? '',
        list: async folder => {
          const { content } = await contents.get(folder);
          return (content as IEntry[]).sort((one, other) => one.name.localeCompare(other.name));
        },
        trans
      });
    };

    const label = trans.__('Run as a job…');
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
