import type { TranslationBundle } from '@jupyterlab/translation';

import { byName, differing } from '../charts';
import type { ILine, IMetric } from '../charts';

/** A job whose metrics are drawn. */
export interface IDrawnJob {
  readonly id: string;
  /** What it is called beside others. */
  readonly title: string;
  /** Which colour its lines have beside those of others; the job of the tab has 0. */
  readonly colour: number;
  /** Seconds since the epoch from which its times count; null: from its first value. */
  readonly startedAt: number | null;
  readonly metrics: readonly IMetric[];
}

/** One chart. */
export interface IDrawing {
  readonly name: string;
  readonly lines: readonly ILine[];
  /** Whose values are drawn, where that is a question. */
  readonly note: string | null;
}

/** The charts of one job, each with the lines of its ranks; of several jobs laid over each other, with one line a job. */
export function drawingsOf(jobs: readonly IDrawnJob[], trans: TranslationBundle): IDrawing[] {
  const [first, ...others] = jobs;
  if (others.length === 0) {
    return first.metrics.map(metric => ofRanks(metric, first, trans));
  }
  const names = new Set(jobs.flatMap(({ metrics }) => metrics.map(({ name }) => name)));
  return [...names].sort(byName).map(name => ofJobs(name, jobs, trans));
}

function ofRanks(metric: IMetric, job: IDrawnJob, trans: TranslationBundle): IDrawing {
  const { name, ranks, series } = metric;
  const shown = differing(series);
  const lines = shown.map(one => ({
    key: `${one.rank}`,
    label: trans.__('rank %1', one.rank),
    // Not the rank, which may be beyond the colours; nor the place among those shown, which changes as ranks part.
    colour: series.indexOf(one),
    points: one.points,
    origin: job.startedAt ?? one.points.at(0)?.at ?? 0
  }));
  return { name, lines, note: ranksNote(ranks, series.length, shown.length, trans) };
}

function ranksNote(
  ranks: number,
  known: number,
  shown: number,
  trans: TranslationBundle
): string | null {
  if (ranks > known) {
    return trans.__('The first %1 of %2 processes that logged it.', known, ranks);
  }
  if (shown === known) {
    return null;
  }
  return shown === 1
    ? trans.__('All %1 processes logged the same.', known)
    : trans.__('The other processes, of %1, logged the same as the first.', known);
}

function ofJobs(name: string, jobs: readonly IDrawnJob[], trans: TranslationBundle): IDrawing {
  let hasRanks = false;
  const lines = jobs.flatMap(({ id, title, colour, startedAt, metrics }) => {
    const metric = metrics.find(each => each.name === name);
    if (!metric) {
      return [];
    }
    hasRanks ||= metric.ranks > 1;
    const [{ points }] = metric.series;
    return [{ key: id, label: title, colour, points, origin: startedAt ?? points.at(0)?.at ?? 0 }];
  });
  return { name, lines, note: hasRanks ? trans.__('Of each job the first process.') : null };
}
