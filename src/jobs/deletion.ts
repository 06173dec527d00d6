import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { JobSummary } from '../api';
import { isCluster } from '../backends/words';
import { told } from '../components';
import type { IBackends, IJobs, IMlkApi } from '../tokens';
import { isFinal } from './phase';

/** Names that the question tells; the list shows which are selected. */
const MOST_NAMED = 8;

export interface IDeletionOptions {
  api: Pick<IMlkApi, 'remove'>;
  jobs: Pick<IJobs, 'titleOf' | 'drop'>;
  backends: Pick<IBackends, 'get'>;
  trans: TranslationBundle;
}

/** The ids in the arguments of a command that may be about several jobs; none where it is about one. */
export function severalIds({ ids }: ReadonlyPartialJSONObject): readonly string[] {
  return Array.isArray(ids) ? ids.filter(id => typeof id === 'string') : [];
}

/** Asks once whether to delete several jobs; deletes them, and tells of each that could not be. */
export async function askAndDelete(
  several: readonly JobSummary[],
  options: IDeletionOptions
): Promise<void> {
  const { api, jobs, trans } = options;
  const { button } = await showDialog({
    title: trans.__('Delete %1 jobs?', several.length),
    body: deletionText(several, options),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: trans.__('Delete %1 jobs', several.length) })
    ],
    defaultButton: 0
  });
  if (button.accept) {
    await Promise.all(
      several.map(job =>
        told(trans.__('%1 could not be deleted', jobs.titleOf(job)), trans, async () => {
          await api.remove(job.id);
          jobs.drop(job.id);
        })
      )
    );
  }
}

/** What a deletion of several jobs takes away, and what it leaves. */
export function deletionText(
  several: readonly JobSummary[],
  { jobs, backends, trans }: Pick<IDeletionOptions, 'jobs' | 'backends' | 'trans'>
): string {
  const unfinished = several.filter(({ phase }) => !isFinal(phase)).length;
  const inCluster = several.some(({ backend }) => isCluster(backends.get(backend)));
  const names = several.slice(0, MOST_NAMED).map(job => jobs.titleOf(job));
  const more = several.length - names.length;
  return [
    `${names.join(', ')}${more > 0 ? trans.__(' and %1 more', more) : ''}.`,
    unfinished === 0
      ? null
      : trans._n(
          '%1 of them is not over: it is stopped first.',
          '%1 of them are not over: they are stopped first.',
          unfinished
        ),
    trans.__(
      'Their executed notebooks, logs, checkpoints in their folders and entries in the list are deleted for good.'
    ),
    inCluster ? trans.__('So are their objects in the cluster.') : null,
    trans.__('MLflow runs and your own notebooks stay.')
  ]
    .filter(Boolean)
    .join(' ');
}
