import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { JobSummary } from '../api';
import { reasonText } from '../jobs/words';
import { CommandIDs, IJobs } from '../tokens';

/** A word at the end of each job. */
export const toasts: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:toasts',
  description: 'Tells when a job has ended, with a button that opens it.',
  autoStart: true,
  requires: [IJobs],
  optional: [ISettingRegistry],
  activate: (app: JupyterFrontEnd, jobs: IJobs, settingRegistry: ISettingRegistry | null) => {
    let isWanted = true;
    let shown: number[] = []; // when, in milliseconds
    void settingRegistry
      ?.load(PANEL_SETTINGS)
      .then(settings => {
        const apply = (): void => {
          isWanted = settings.get('notify').composite !== false;
        };
        apply();
        settings.changed.connect(apply);
      })
      .catch((error: unknown) => console.error('The settings of the jobs cannot be read', error));

    jobs.changed.connect((_, { ended }) => {
      if (isWanted) {
        for (const job of ended) {
          const now = Date.now();
          shown = shown.filter(at => now - at < SUCCESS_MS);
          const isRoom = shown.length < MOST;
          if (isRoom) {
            shown.push(now);
          }
          tell(app, jobs, job, isRoom);
        }
      }
    });
  }
};

/** The panel's settings hold this one, too: nobody looks for a page of toasts. */
const PANEL_SETTINGS = 'mlk-jupyter:panel';
const SUCCESS_MS = 8000;
/** What core takes for: no pop-up. */
const SILENT = 0;
/** How many pop up at about the same time: those of a sweep would cover the page. */
const MOST = 3;

/** Tells of one job; without room in the list behind the bell only. */
function tell(app: JupyterFrontEnd, jobs: IJobs, job: JobSummary, isRoom: boolean): void {
  const { trans } = jobs;
  const autoClose = isRoom ? SUCCESS_MS : SILENT;
  const actions: Notification.IAction[] = [
    {
      label: trans.__('Open'),
      caption: trans.__('Open the job %1', job.name),
      callback: () => void app.commands.execute(CommandIDs.openJob, { id: job.id }),
      displayType: 'accent'
    }
  ];
  switch (job.phase) {
    case 'Succeeded':
      Notification.success(trans.__('%1 succeeded', job.name), { actions, autoClose });
      break;
    case 'Failed':
      // stays: red is for what needs a person
      Notification.error(
        trans.__('%1 failed: %2', job.name, reasonText(job) ?? trans.__('the reason is not known')),
        { actions, autoClose: isRoom ? false : SILENT }
      );
      break;
    default:
      Notification.info(trans.__('%1 was stopped', job.name), { actions, autoClose });
  }
}
