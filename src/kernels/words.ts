import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IdleTotals, KernelState, PolicyView } from '../api';
import { bytes, duration, language, money } from '../components';

const HOUR_S = 3600;
/** Below so much, seconds count. */
const SECONDS_BELOW = 120;
/** How many characters of an id tell kernels apart. */
const ID_LENGTH = 8;

/** What JupyterLab calls a session until it has said of which notebook it is. */
const UNNAMED = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Its notebook or console; null where it has none, or none yet. */
export function pathOf({ path }: Pick<KernelState, 'path'>): string | null {
  return path && !UNNAMED.test(path) ? path : null;
}

/** What a person calls it: its notebook or console, else its kernelspec and the beginning of its id. */
export function nameOf(kernel: Pick<KernelState, 'id' | 'name' | 'path'>): string {
  const { id, name } = kernel;
  const path = pathOf(kernel);
  return path ? PathExt.basename(path) : `${name} ${id.slice(0, ID_LENGTH)}`;
}

/** A length of time that has passed: whole minutes from two on. */
export function since(seconds: number, trans: TranslationBundle): string {
  return duration(seconds < SECONDS_BELOW ? seconds : Math.floor(seconds / 60) * 60, trans);
}

/** A length of time that is left: rounded up, so that what was just promised in full reads in full. */
export function left(seconds: number, trans: TranslationBundle): string {
  return duration(seconds < SECONDS_BELOW ? seconds : Math.ceil(seconds / 60) * 60, trans);
}

/** "18:40", with the day where it is not today. Both in seconds since the epoch. */
export function timeOf(at: number, now: number): string {
  const date = new Date(at * 1000);
  const isToday = date.toDateString() === new Date(now * 1000).toDateString();
  return isToday
    ? date.toLocaleTimeString(language(), { timeStyle: 'short' })
    : date.toLocaleString(language(), { dateStyle: 'medium', timeStyle: 'short' });
}

/** "3 %", "0.4 %". */
export function percent(value: number): string {
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} %`;
}

/** What it does, holds, and when it ends: "idle 42 min, holds 1 GPU, 18.2 GiB, stops in 18 min". */
export function stateText(kernel: KernelState, now: number, trans: TranslationBundle): string {
  return [
    doesText(kernel, now, trans),
    ...holdsText(kernel, trans),
    kernel.lease ? null : endText(kernel, now, trans)
  ]
    .filter(Boolean)
    .join(', ');
}

function doesText(kernel: KernelState, now: number, trans: TranslationBundle): string {
  switch (kernel.state) {
    case 'starting':
      return trans.__('starting');
    case 'active':
      return kernel.words || trans.__('at work');
    case 'quiet':
    case 'warned':
      return quietText(kernel, now, trans);
    case 'stopping':
      return trans.__('is being stopped');
    case 'failed':
      return kernel.words
        ? trans.__('could not be stopped: %1', kernel.words)
        : trans.__('could not be stopped');
    case 'dead':
      return kernel.words || trans.__('has died');
  }
}

function quietText(kernel: KernelState, now: number, trans: TranslationBundle): string {
  const { kind, words } = kernel;
  if (kernel.quiet_since === null) {
    return words || trans.__('idle');
  }
  const long = since(now - kernel.quiet_since, trans);
  switch (kind) {
    case 'hung':
      return trans.__('a cell runs and has done nothing for %1', long);
    case 'input':
      return trans.__('has waited for input for %1', long);
    case 'delegated':
      return trans.__('has only waited for its job for %1', long);
    case 'idle':
    case 'idle_gpu':
      return trans.__('idle %1', long);
    default:
      return words || trans.__('idle %1', long);
  }
}

function holdsText(kernel: KernelState, trans: TranslationBundle): readonly string[] {
  const { gpus, gpu_memory_bytes: memory } = kernel;
  if (!gpus) {
    return [];
  }
  return [
    trans._n('holds %1 GPU', 'holds %1 GPUs', gpus),
    memory === null ? trans.__('GPU memory unknown') : bytes(memory)
  ];
}

/** "stops in 18 min", "would stop in 18 min"; null where nothing will stop it. */
export function endText(
  kernel: Pick<KernelState, 'state' | 'stops_at' | 'would_stop'>,
  now: number,
  trans: TranslationBundle
): string | null {
  const { stops_at: at, would_stop: isOnlyWatched } = kernel;
  if (at === null || kernel.state === 'stopping') {
    return null;
  }
  if (at <= now) {
    return isOnlyWatched ? trans.__('would have been stopped by now') : trans.__('stops now');
  }
  const time = left(at - now, trans);
  return isOnlyWatched ? trans.__('would stop in %1', time) : trans.__('stops in %1', time);
}

/** "kept until 18:40 (2 h left): training"; null where nobody keeps it. */
export function leaseText(
  kernel: Pick<KernelState, 'lease'>,
  now: number,
  trans: TranslationBundle
): string | null {
  if (!kernel.lease) {
    return null;
  }
  const { until, reason } = kernel.lease;
  const text = trans.__(
    'kept until %1 (%2 left)',
    timeOf(until, now),
    left(Math.max(0, until - now), trans)
  );
  return reason ? `${text}: ${reason}` : text;
}

/** "CPU 3 % · GPU 0 % · $4.20/h". What is not known is said to be. */
export function usageText(kernel: KernelState, currency: string, trans: TranslationBundle): string {
  const { cpu_pct: cpu, gpus, gpu_busy: busy, cost_per_hour: cost, jobs } = kernel;
  return [
    cpu === null ? trans.__('CPU unknown') : trans.__('CPU %1', percent(cpu)),
    gpus === 0
      ? null
      : gpus === null
        ? trans.__('GPU unknown')
        : busy === null
          ? trans.__('GPU use unknown')
          : trans.__('GPU %1', percent(busy * 100)),
    cost === null ? trans.__('cost unknown') : trans.__('%1/h', money(cost, currency)),
    jobs.length > 0 ? trans._n('%1 unfinished job', '%1 unfinished jobs', jobs.length) : null
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Beside the title of the section: what needs a look, else how many there are. */
export function summaryText(kernels: readonly KernelState[], trans: TranslationBundle): string {
  const ending = kernels.filter(isEnding).length;
  const gpus = kernels
    .filter(({ kind }) => kind === 'idle_gpu')
    .reduce((sum, kernel) => sum + (kernel.gpus ?? 0), 0);
  return [
    kernels.length > 0 ? trans._n('%1 kernel', '%1 kernels', kernels.length) : null,
    ending > 0
      ? trans._n('%1 stops soon', '%1 stop soon', ending)
      : gpus > 0
        ? trans._n('%1 GPU unused', '%1 GPUs unused', gpus)
        : null
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Whether it is about to be stopped in earnest. */
export function isEnding({ state, would_stop: isOnlyWatched }: KernelState): boolean {
  return state === 'warned' && !isOnlyWatched;
}

/** "train.ipynb stops in 4 min"; of several, the first. Empty where none is about to be stopped. */
export function endingText(
  kernels: readonly KernelState[],
  now: number,
  trans: TranslationBundle
): string {
  const ending = kernels
    .filter(isEnding)
    .sort((a, b) => (a.stops_at ?? Infinity) - (b.stops_at ?? Infinity));
  const [first] = ending;
  if (!first) {
    return '';
  }
  const end = endText(first, now, trans) ?? trans.__('stops soon');
  return ending.length === 1
    ? `${nameOf(first)} ${end}`
    : trans.__('%1 kernels stop: %2 %3', ending.length, nameOf(first), end);
}

/** "This server stops in 4 min: no kernel runs". */
export function serverText(
  { at, words }: { readonly at: number; readonly words: string },
  now: number,
  trans: TranslationBundle
): string {
  const text =
    at > now
      ? trans.__('This server stops in %1', left(at - now, trans))
      : trans.__('This server stops now');
  return words ? `${text}: ${words}` : text;
}

export interface ITotal {
  readonly text: string;
  /** What it means, or why it is not known and what to do. */
  readonly hint: string;
}

/** What idleness costs now, and what stops have saved, or would have. */
export function totalTexts(
  totals: IdleTotals,
  mode: PolicyView['mode'],
  currency: string,
  trans: TranslationBundle
): readonly ITotal[] {
  const noPrice = trans.__(
    'The price of this server is not known. Set MLK_PRICE_PER_HOUR where it is started: the price of the whole server for an hour.'
  );
  const { wasted_per_hour: wasted, wasted_gpus: gpus, saved, saved_gpu_s: savedGpu } = totals;
  const amount =
    saved !== null
      ? money(saved, currency)
      : savedGpu !== null
        ? trans.__('%1 GPU h', Number((savedGpu / HOUR_S).toFixed(1)))
        : trans.__('unknown');
  const measured = trans.__(
    'Measured from each stop until its notebook was used again, %1 at most. Stops this month: %2.',
    duration(totals.saved_limit_s, trans),
    totals.stops
  );
  return [
    wasted !== null
      ? {
          text: trans.__('wasted now %1/h', money(wasted, currency)),
          hint: trans.__('What kernels that do nothing cost now.')
        }
      : gpus !== null
        ? { text: trans._n('%1 GPU unused now', '%1 GPUs unused now', gpus), hint: noPrice }
        : { text: trans.__('wasted now: unknown'), hint: noPrice },
    {
      text:
        mode === 'shadow'
          ? trans.__('would have saved this month: %1', amount)
          : trans.__('saved this month: %1', amount),
      hint: saved === null ? `${measured} ${noPrice}` : measured
    }
  ];
}

/** What the policy does to kernels. */
export function modeText({ mode, values }: PolicyView, trans: TranslationBundle): string | null {
  switch (mode) {
    case 'off':
      return trans.__(
        'Idle kernels are not watched. Whoever runs the server switches that on with MLK_IDLE_MODE=shadow or MLK_IDLE_MODE=enforce.'
      );
    case 'shadow':
      return trans.__(
        'Watches only: nothing is stopped. Whoever runs the server switches that on with MLK_IDLE_MODE=enforce.'
      );
    case 'enforce': {
      const { MLK_IDLE_TTL: ttl, MLK_IDLE_GPU_TTL: gpuTtl } = values;
      const limits = [
        isLimit(ttl) ? trans.__('after %1', duration(ttl, trans)) : null,
        isLimit(gpuTtl) ? trans.__('after %1 with an unused GPU', duration(gpuTtl, trans)) : null
      ].filter(Boolean);
      return limits.length > 0
        ? trans.__('Stopped when idle: %1.', limits.join(', '))
        : trans.__('No limit is set: idle kernels are not stopped.');
    }
  }
}

function isLimit(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

/** How long a kernel can be kept by a button, in seconds, the shortest first; the last is as long as is allowed. */
export function keepTimes(policy: PolicyView | null): readonly number[] {
  const most = policy?.values.MLK_IDLE_LEASE_MAX;
  const times = [HOUR_S, KEEP_S, 8 * HOUR_S];
  return isLimit(most) ? [...times.filter(time => time < most), most] : times;
}

/** What the button keeps a kernel for, in seconds. */
export function keepTime(policy: PolicyView | null): number {
  const most = policy?.values.MLK_IDLE_LEASE_MAX;
  return isLimit(most) ? Math.min(KEEP_S, most) : KEEP_S;
}

const KEEP_S = 2 * HOUR_S;

/** Whether a person may be waiting for what it does: then they are asked twice whether to stop it. */
export function isAtWork({ state, lease }: KernelState): boolean {
  return state === 'active' || state === 'starting' || lease !== null;
}
