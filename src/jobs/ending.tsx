import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobStatus, JobSummary } from '../api';
import { duration } from '../components';
import { isFinal } from './phase';

/** Where the checkpoints of a job are. */
export type Checkpoints =
  | { readonly kind: 'folder' }
  | { readonly kind: 'volume'; readonly claim: string }
  | { readonly kind: 'pods' }
  | { readonly kind: 'unknown' };

/** `status`: of the job, where it could be read. */
export function checkpointsOf(status: JobStatus | null, onCluster: boolean): Checkpoints {
  if (!onCluster) {
    return { kind: 'folder' };
  }
  if (status === null) {
    return { kind: 'unknown' };
  }
  const { checkpoints: claim } = status.spec.cluster;
  return claim ? { kind: 'volume', claim } : { kind: 'pods' };
}

export interface IStopChoicesProps {
  job: JobSummary;
  checkpoints: Checkpoints;
  /** Whether the job may be deleted as well. */
  canDelete: boolean;
  trans: TranslationBundle;
}

/** What each way to end a job that runs keeps and loses. */
export function StopChoices(props: IStopChoicesProps): JSX.Element {
  const { job, checkpoints, canDelete, trans } = props;
  const { grace_period_s: grace } = job;
  return (
    <div className="mlk-StopChoices">
      <p>
        {grace === null
          ? trans.__('Its processes are asked to end, and killed when they do not.')
          : trans.__(
              'Its processes are asked to end, and have %1 for it, to save a checkpoint for example. Then they are killed.',
              duration(grace, trans)
            )}
      </p>
      <dl>
        <dt>{trans.__('Stop')}</dt>
        <dd>
          {trans.__('Keeps the notebook so far, the logs, the metrics and the MLflow run.')}{' '}
          {afterStop(checkpoints, trans)} {trans.__('What the code has not saved is lost.')}
        </dd>
        {canDelete && (
          <>
            <dt>{trans.__('Delete…')}</dt>
            <dd>{deletionText(job, checkpoints, trans)}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

function afterStop(checkpoints: Checkpoints, trans: TranslationBundle): string {
  switch (checkpoints.kind) {
    case 'folder':
      return trans.__('Checkpoints stay in its folder.');
    case 'volume':
      return trans.__('Checkpoints stay on the volume %1.', checkpoints.claim);
    case 'pods':
      return trans.__('Checkpoints are lost: it has no volume for them.');
    case 'unknown':
      return trans.__('Checkpoints stay where it has a volume for them.');
  }
}

/** What a deletion takes away, and what it leaves. */
export function deletionText(
  { phase }: JobSummary,
  checkpoints: Checkpoints,
  trans: TranslationBundle
): string {
  const isOnCluster = checkpoints.kind !== 'folder';
  return [
    isFinal(phase) ? null : trans.__('It is not over: it is stopped first.'),
    isOnCluster
      ? trans.__(
          'The executed notebook, the logs, the list entry and its objects in the cluster are deleted for good.'
        )
      : trans.__(
          'The executed notebook, the logs, the checkpoints in its folder and the list entry are deleted for good.'
        ),
    checkpoints.kind === 'volume'
      ? trans.__('Checkpoints stay on the volume %1.', checkpoints.claim)
      : null,
    trans.__('The MLflow run and your own notebook stay.')
  ]
    .filter(Boolean)
    .join(' ');
}
