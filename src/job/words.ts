import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobStatus, RankStatus } from '../api';
import { duration, exactTime, language, took } from '../components';
import { isFinal, phaseWord } from '../jobs/phase';

/** How often the times of a job that goes on are drawn anew. */
export const SECOND_MS = 1000;

/** What stands where a figure is not known. */
export const UNKNOWN = '–';

export function stateWord(state: RankStatus['state'], trans: TranslationBundle): string {
  switch (state) {
    case 'waiting':
      return trans.__('Waiting');
    case 'running':
      return trans.__('Running');
    case 'succeeded':
      return trans.__('Succeeded');
    case 'stopped':
      return trans.__('Stopped');
    case 'failed':
      return trans.__('Failed');
  }
}

/** Time of day; with the date where it is another day than `now` (both in seconds since the epoch). */
export function clock(at: number, now: number): string {
  const when = new Date(at * 1000);
  const time = when.toLocaleTimeString(language(), { hour: '2-digit', minute: '2-digit' });
  const sameDay = when.toDateString() === new Date(now * 1000).toDateString();
  const day = when.toLocaleDateString(language(), { month: 'short', day: 'numeric' });
  return sameDay ? time : `${day} ${time}`;
}

/** How long the job has run, or ran; how long it has waited while it never ran. Seconds. */
function elapsed(job: JobStatus, now: number): number {
  return Math.max(0, (job.finished_at ?? now) - (job.started_at ?? job.created_at));
}

/** The same in words: in whole seconds while they count, as exact as the timeline once the job is over. */
export function elapsedText(job: JobStatus, now: number, trans: TranslationBundle): string {
  return (isFinal(job.phase) ? took : duration)(elapsed(job, now), trans);
}

/** One step of the timeline in words. */
export interface IStep {
  readonly key: string;
  readonly text: string;
  /** Exact times. */
  readonly title: string;
  /** The phase that the job is in now. */
  readonly current: boolean;
}

/** "Submitted 10:02", "Queued 4 s", "Starting 1 s", "Running 2 min 5 s", "Succeeded 10:05". */
export function steps(job: JobStatus, now: number, trans: TranslationBundle): IStep[] {
  const first = {
    key: 'submitted',
    text: trans.__('Submitted %1', clock(job.created_at, now)),
    title: exactTime(job.created_at),
    current: false
  };
  const passed = job.timeline.filter((step, index) => !isInstant(step, job.timeline[index + 1]));
  return [
    first,
    ...passed.map((step, index): IStep => {
      const next = passed[index + 1];
      const word = phaseWord(step.phase, trans);
      const text = isFinal(step.phase)
        ? trans.__('%1 %2', word, clock(step.at, now))
        : trans.__('%1 %2', word, took((next?.at ?? now) - step.at, trans));
      return { key: `${index}`, text, title: exactTime(step.at), current: next === undefined };
    })
  ];
}

/** A phase that lasted no time worth a word. */
function isInstant(step: { at: number }, next: { at: number } | undefined): boolean {
  return next !== undefined && next.at - step.at < 0.05;
}
