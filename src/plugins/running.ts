import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ITranslator } from '@jupyterlab/translation';

import type { JobSummary } from '../api';
import { jobsIcon, told } from '../components';
import { canStop, isFinal, phaseWord } from '../jobs/phase';
import { progressText } from '../jobs/words';
import { CommandIDs, IJobs, IMlkApi } from '../tokens';
import { ours } from '../translation';

/** Jobs among the kernels and terminals in core's panel of running things. */
export const running: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:running',
  description: 'Lists unfinished jobs among the running kernels and terminals.',
  autoStart: true,
  requires: [IMlkApi, IJobs],
  optional: [IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IMlkApi,
    jobs: IJobs,
    managers: IRunningSessionManagers | null,
    translator: ITranslator | null
  ) => {
    if (!managers) {
      return; // a page of Notebook 7 without a list of what runs
    }
    const trans = ours(translator);
    const unfinished = (): readonly JobSummary[] => jobs.jobs.filter(job => !isFinal(job.phase));
    const stop = async (job: JobSummary): Promise<void> => {
      if (canStop(job.phase)) {
        await told(trans.__('%1 could not be stopped', jobs.titleOf(job)), trans, async () =>
          jobs.put(await api.stop(job.id))
        );
      }
    };
    managers.add({
      name: trans.__('Jobs'),
      running: () =>
        unfinished().map(job => ({
          icon: () => jobsIcon,
          label: () => jobs.titleOf(job),
          labelTitle: () => trans.__('%1, from %2', jobs.titleOf(job), job.notebook),
          detail: () =>
            [phaseWord(job.phase, trans), progressText(job.progress, trans)]
              .filter(Boolean)
              .join(' · '),
          open: () => void app.commands.execute(CommandIDs.openJob, { id: job.id }),
          shutdown: () => void stop(job)
        })),
      shutdownAll: () => unfinished().forEach(job => void stop(job)),
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
