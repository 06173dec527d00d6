import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';

import { actionsOf } from '../jobs/actions';
import { JobsSection } from '../jobs/section';
import { jobOfTab } from '../jobs/tabid';
import { activeText } from '../jobs/words';
import { CommandIDs, IBackends, IJobs, IMlkPanel } from '../tokens';
import { ours } from '../translation';

/** The list of jobs in the side panel. */
export const jobsSection: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:jobs-section',
  description: 'The list of jobs in the side panel.',
  autoStart: true,
  requires: [IMlkPanel, IJobs, IBackends],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    panel: IMlkPanel,
    jobs: IJobs,
    backends: IBackends,
    translator: ITranslator | null
  ) => {
    const { commands, shell } = app;
    const trans = ours(translator);
    const section = new JobsSection({
      jobs,
      backends,
      actions: actionsOf(commands),
      onRun: () => void commands.execute(CommandIDs.submit),
      trans
    });
    const mark = (): void => {
      section.openId = jobOfTab(shell.currentWidget?.id ?? '');
    };
    shell.currentChanged?.connect(mark);
    void app.restored.then(mark);
    panel.addSection({
      id: 'jobs',
      title: trans.__('Jobs'),
      rank: 100,
      widget: section,
      summary: { text: () => activeText(jobs.active, trans), changed: jobs.changed },
      follow: () => jobs.follow(),
      refresh: () => void jobs.refresh()
    });
  }
};
