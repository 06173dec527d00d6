import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobSummary, Progress } from '../api';
import { figure, roughly } from '../components/format';
import type { IJobs } from '../tokens';
import { isFinal } from './phase';

/**
 * "cell 7 of 12 · ~2 min", or what the notebook itself said; null when nothing is known. A job that is over has no time
 * to go.
 */
export function progressText(
  progress: Progress,
  trans: TranslationBundle,
  over = false
): string | null {
  const where = progress.text ?? cellText(progress, trans);
  const eta = progress.eta_s === null || over ? null : roughly(progress.eta_s, trans);
  return [where, eta].filter(Boolean).join(' · ') || null;
}

function cellText(progress: Progress, trans: TranslationBundle): string | null {
  if (progress.cells_total === null) {
    return progress.cell === null ? null : trans.__('cell %1', progress.cell);
  }
  if (progress.cell !== null) {
    return trans.__('cell %1 of %2', progress.cell, progress.cells_total);
  }
  return trans.__('%1 of %2 cells', progress.cells_done, progress.cells_total);
}

/** "4 × 2 GPUs", "2 workers", "1 worker, 4 processes". */
export function sizeText(job: JobSummary, trans: TranslationBundle): string {
  if (job.gpus > 0) {
    return job.workers === 1
      ? trans._n('%1 GPU', '%1 GPUs', job.gpus)
      : trans._n('%2 × %1 GPU', '%2 × %1 GPUs', job.gpus, job.workers);
  }
  return job.world_size === job.workers
    ? trans._n('%1 worker', '%1 workers', job.workers)
    : trans._n('%1 worker, %2 processes', '%1 workers, %2 processes', job.workers, job.world_size);
}

/** "2 running · 12 GPUs"; empty when none runs. */
export function activeText({ jobs, gpus }: IJobs['active'], trans: TranslationBundle): string {
  return [
    jobs > 0 ? trans._n('%1 running', '%1 running', jobs) : null,
    gpus > 0 ? trans._n('%1 GPU', '%1 GPUs', gpus) : null
  ]
    .filter(Boolean)
    .join(' · ');
}

/** "loss 0.214": the metric that matters most. */
export function metricText(job: JobSummary, trans: TranslationBundle): string | null {
  const metric = job.metrics.at(0);
  return metric ? `${metric.name} ${figure(metric.value, trans)}` : null;
}

/** Codes of what is said of a job that runs as it should. */
const ALL_IS_WELL = new Set(['running', 'reading_logs']);

/** Why the job is where it is, where that is worth a line. */
export function reasonText(job: JobSummary): string | null {
  switch (job.phase) {
    case 'Failed':
      return job.error ?? job.reason?.text ?? null;
    case 'Running': // that it runs is said already
      return job.reason && !ALL_IS_WELL.has(job.reason.code) ? job.reason.text : null;
    case 'Succeeded':
      return null;
    default:
      return job.reason?.text ?? null;
  }
}

/** The reason with its way out, for a tooltip. */
export function reasonTitle(job: JobSummary): string | undefined {
  const reason = reasonText(job);
  const hint = reason === null ? null : (job.reason?.hint ?? null);
  return [reason, hint].filter(Boolean).join(' ') || undefined;
}

/** "attempt 2" of a job that was started again; null of one that was not. `retries` tells out of how many. */
export function attemptText(
  job: JobSummary,
  trans: TranslationBundle,
  retries: number | null = null
): string | null {
  if (job.attempt < 2) {
    return null;
  }
  return retries === null
    ? trans.__('attempt %1', job.attempt)
    : trans.__('attempt %1 of %2', job.attempt, Math.max(job.attempt, retries + 1));
}

/** Whether a row shows a bar: the job runs, how far it is makes sense, and nothing worse is to be told. */
export function showsProgress(job: JobSummary): boolean {
  return (job.phase === 'Running' || job.phase === 'Starting') && reasonText(job) === null;
}

/** When the age of a job counts from: its end, or its submission. */
export function ageFrom(job: JobSummary): number {
  return isFinal(job.phase) ? (job.finished_at ?? job.created_at) : job.created_at;
}

/** Whether a job answers to what was typed: every word, in name, id, parameters, notebook, phase or place. */
export function matches(
  job: JobSummary,
  query: string,
  phase: string,
  place = '',
  mark = ''
): boolean {
  const changed = Object.entries(job.changed).map(([name, value]) => `${name}=${value}`);
  const text = [job.name, job.id, mark, ...changed, job.notebook, phase, place]
    .join('\n')
    .toLocaleLowerCase();
  return query
    .toLocaleLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word));
}
