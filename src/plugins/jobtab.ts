import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IThemeManager, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IEditorServices } from '@jupyterlab/codeeditor';
import { NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon } from '../components';
import type { ISurroundings } from '../job/create';
import type { JobTab } from '../job/tab';
import { meantJob } from '../jobs/clicked';
import { tabOfJob } from '../jobs/tabid';
import { CommandIDs, IBackends, IJobs, IMlkApi, IMlkChannel } from '../tokens';
import { ours } from '../translation';

/** The tab of a job in the main area; in Notebook 7, whose main area holds one document, below it. */
export const jobTab: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:job-tab',
  description: 'A tab that shows one job: overview, live notebook, log and metrics.',
  autoStart: true,
  requires: [
    IMlkApi,
    IMlkChannel,
    IJobs,
    IBackends,
    IRenderMimeRegistry,
    NotebookPanel.IContentFactory,
    IEditorServices
  ],
  optional: [ILabShell, ILayoutRestorer, IThemeManager, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    channel: IMlkChannel,
    jobs: IJobs,
    backends: IBackends,
    rendermime: IRenderMimeRegistry,
    contentFactory: NotebookPanel.IContentFactory,
    editorServices: IEditorServices,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    themes: IThemeManager | null,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const trans = ours(translator);
    const tracker = new WidgetTracker<MainAreaWidget<JobTab>>({ namespace: 'mlk-job' });
    const around: ISurroundings = {
      api,
      channel,
      jobs,
      backends,
      trans,
      commands,
      contents: app.serviceManager.contents,
      rendermime,
      contentFactory,
      editorServices,
      translator: translator ?? nullTranslator,
      themes
    };

    const rename = ({ content, title }: MainAreaWidget<JobTab>): void => {
      const { id, status } = content.model;
      const name = status?.name ?? jobs.get(id)?.name;
      // The icon says that it is a job: in a narrow tab the name is what counts.
      title.label = name === undefined ? id : jobs.titleOf({ id, name });
      title.caption = trans.__('Job %1', title.label);
    };

    commands.addCommand(CommandIDs.openJob, {
      label: trans.__('Open Job'),
      caption: trans.__('Show a job: overview, live notebook, log and metrics'),
      icon: jobsIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            id: {
              type: 'string',
              description: trans.__('The id of the job. Default: the row under the pointer.')
            },
            page: {
              type: 'string',
              enum: ['overview', 'notebook', 'log', 'metrics'],
              description: trans.__('The page to show')
            }
          }
        }
      },
      isEnabled: args => meantJob(app, args) !== undefined,
      execute: async args => {
        const id = meantJob(app, args);
        if (id === undefined) {
          return undefined;
        }
        const { createTab, isPage } = await import('../job/create');
        const page = isPage(args.page) ? args.page : null;
        const known = tracker.find(widget => widget.content.model.id === id);
        if (known) {
          known.content.page = page ?? known.content.page;
          app.shell.activateById(known.id);
          return known;
        }
        const content = createTab(id, page ?? 'overview', around);
        const widget = new MainAreaWidget({ content });
        widget.id = tabOfJob(id);
        widget.title.icon = jobsIcon;
        widget.title.closable = true;
        widget.toolbar.hide();
        // Notebook 7 gives what is below the document no more than it asks for.
        widget.toggleClass('mlk-mod-below', labShell === null);
        rename(widget);
        content.model.changed.connect(() => rename(widget));
        content.pageChanged.connect(() => void tracker.save(widget));
        await tracker.add(widget);
        app.shell.add(widget, labShell ? 'main' : 'down');
        app.shell.activateById(widget.id);
        return widget;
      }
    });

    jobs.changed.connect((_, { removed }) => {
      for (const id of removed) {
        tracker.find(widget => widget.content.model.id === id)?.dispose();
      }
      tracker.forEach(rename); // a tab that was not shown yet knows its job's name from here
    });

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openJob,
        args: ({ content }) => ({ id: content.model.id, page: content.page }),
        name: ({ content }) => content.model.id
      });
    }
  }
};
