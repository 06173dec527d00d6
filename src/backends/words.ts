import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo, WatchState, Right } from '../api';

/** What needs a right of its own. */
export type Feature = 'submit' | 'stop' | 'delete' | 'logs';

/** Where jobs run, as a person calls it; before its answer is there, by its name. */
export function placeTitle(
  backend: BackendInfo | undefined,
  name: string,
  trans: TranslationBundle
): string {
  return backend?.title ?? (name === 'local' ? trans.__('This machine') : name);
}

export function isCluster(backend: BackendInfo | undefined): boolean {
  return backend?.kind === 'kubernetes';
}

export function watchStateText(state: WatchState, trans: TranslationBundle): string {
  switch (state) {
    case 'idle':
      return trans.__('Not watched');
    case 'connecting':
      return trans.__('Connecting');
    case 'live':
      return trans.__('Live');
    case 'reconnecting':
      return trans.__('Reconnecting');
    case 'refused':
      return trans.__('Refused');
  }
}

/** What the state of the watch means for what is shown. */
export function watchStateHint(state: WatchState, trans: TranslationBundle): string {
  switch (state) {
    case 'idle':
      return trans.__('Nobody looks at its jobs.');
    case 'connecting':
      return trans.__('Its jobs are on their way.');
    case 'live':
      return trans.__('What you see of its jobs is up to date.');
    case 'reconnecting':
      return trans.__('Its jobs go on; you see the last that was known of them.');
    case 'refused':
      return trans.__('It answers, and says no. Its jobs go on.');
  }
}

/** "gpu-prod · team-a · v1.36.0": which cluster, and where in it; null for a machine. */
export function whereText(backend: BackendInfo, trans: TranslationBundle): string | null {
  if (!isCluster(backend)) {
    return null;
  }
  return (
    [
      backend.context === null ? null : trans.__('context %1', backend.context),
      backend.namespace === null ? null : trans.__('namespace %1', backend.namespace),
      backend.server_version
    ]
      .filter(Boolean)
      .join(' · ') || null
  );
}

/** The right that is missing for something, if it is known to be. */
export function missingRight(
  backend: BackendInfo | undefined,
  feature: Feature
): Right | undefined {
  return backend?.rights.find(right => right.code === feature && right.allowed === false);
}

/** Why something is not offered, with the missing right named; null when it is. */
export function refusal(
  backend: BackendInfo | undefined,
  feature: Feature,
  trans: TranslationBundle
): string | null {
  const right = missingRight(backend, feature);
  return right && backend ? rightText(right, backend, trans) : null;
}

/** "Submit jobs: not allowed on gpu-prod. Missing: create jobs.batch. Ask for …" */
export function rightText(right: Right, backend: BackendInfo, trans: TranslationBundle): string {
  const sentence =
    right.missing.length > 0
      ? trans.__(
          '%1: not allowed on %2, “%3” is missing.',
          right.feature,
          backend.title,
          right.missing.join(', ')
        )
      : trans.__('%1: not allowed on %2.', right.feature, backend.title);
  return right.hint ? `${sentence} ${right.hint}` : sentence;
}
