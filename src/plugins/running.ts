import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IRunningSessionManagers } from '@jupyterlab/running';

import { ApiError } from '../api';
import type { JobSummary } from '../api';
import { jobsIcon } from '../components';
import { canStop, isFinal, phaseWord } from '../jobs/phase';
import { progressText } from '../jobs/words';
import { CommandIDs, IJobs } from '../tokens';

/** Jobs among the kernels and terminals in core's panel of running things. */
export const running: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:running',
  description: 'Lists unfinished jobs among the running kernels and terminals.',
  autoStart: true,
  requires: [IJobs],
  optional: [IRunningSessionManagers],
  activate: (app: JupyterFrontEnd, jobs: IJobs, managers: IRunningSessionManagers | null) => {
    if (!managers) {
      return; // a page of Notebook 7 without a list of what runs
    }
    const { trans } = jobs;
    const unfinished = (): readonly JobSummary[] => jobs.jobs.filter(job => !isFinal(job.phase));
    managers.add({
      name: trans.__('Jobs'),
      running: () =>
        unfinished().map(job => ({
          icon: () => jobsIcon,
          label: () => job.name,
          labelTitle: () => trans.__('%1, from %2', job.name, job.notebook),
          detail: () =>
            [phaseWord(job.phase, trans), progressText(job.progress, trans)]
              .filter(Boolean)
              .join(' · '),
          open: () => void app.commands.execute(CommandIDs.openJob, { id: job.id }),
          shutdown: () => void stop(jobs, job)
        })),
      shutdownAll: () => unfinished().forEach(job => void stop(jobs, job)),
      refreshRunning: () => void jobs.refresh(),
      runningChanged: jobs.changed,
      shutdownLabel: trans.__('Stop'),
      shutdownAllLabel: trans.__('Stop All'),
      shutdownAllConfirmationText: () =>
        trans._n(
          'Stop %1 job? The notebook so far and the logs are kept.',
          'Stop %1 jobs? The notebooks so far and the logs are kept.',
          unfinished().length
        )
    });
  }
};

async function stop(jobs: IJobs, job: JobSummary): Promise<void> {
  if (!canStop(job.phase)) {
    return;
  }
  try {
    jobs.put(await jobs.api.stop(job.id));
  } catch (reason) {
    const error = ApiError.from(reason, jobs.trans);
    Notification.error(
      jobs.trans.__('%1 could not be stopped. %2 %3', job.name, error.detail, error.hint),
      { autoClose: false }
    );
  }
}
