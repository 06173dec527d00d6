import type { TranslationBundle } from '@jupyterlab/translation';

import type { Explained, SignalView } from '../api';
import { bytes, duration } from '../components';
import { nameOf, percent, since } from './words';

/** One row of a table: what it is, how it is, and what else is to be said. */
export interface IRow {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

/** What was seen of the kernel; the third column says how long ago, or why it is not known. */
export function signalRows(
  signals: readonly SignalView[],
  trans: TranslationBundle
): readonly IRow[] {
  return signals.map(signal => ({
    name: signalName(signal.name, trans),
    value: signal.why === null ? signalValue(signal, trans) : trans.__('unknown'),
    note: signal.why ?? ageText(signal, trans)
  }));
}

/** Signals that tell of something that happened, and not of how something is. */
const EVENTS = new Set(['message', 'presence', 'output']);

function ageText({ name, age_s: age }: SignalView, trans: TranslationBundle): string {
  if (age === null) {
    return '';
  }
  return EVENTS.has(name)
    ? trans.__('%1 ago', since(age, trans))
    : trans.__('for %1', since(age, trans));
}

function signalName(name: string, trans: TranslationBundle): string {
  const names: Record<string, string> = {
    execution: trans.__('Kernel'),
    message: trans.__('Last use by a person'),
    pending: trans.__('Cells sent and not answered'),
    presence: trans.__('Last sign of a person at the window'),
    output: trans.__('Last output of a running cell'),
    input: trans.__('Waits for input'),
    cpu: trans.__('CPU of its processes'),
    io: trans.__('Reads and writes'),
    stopped: trans.__('Suspended'),
    gpus: trans.__('GPUs held'),
    gpu_busy: trans.__('GPU at work'),
    gpu_memory: trans.__('GPU memory held'),
    jobs: trans.__('Jobs that it submitted'),
    waits_for: trans.__('Waits only for the job'),
    lease: trans.__('Kept for')
  };
  return names[name] ?? name;
}

function signalValue({ name, value }: SignalView, trans: TranslationBundle): string {
  if (typeof value === 'number') {
    switch (name) {
      case 'cpu':
        return trans.__('%1 of one core', percent(value));
      case 'gpu_busy':
        return percent(value * 100);
      case 'gpu_memory':
        return bytes(value);
      case 'io':
        return trans.__('%1 a second', bytes(value));
      default:
        return String(value);
    }
  }
  if (typeof value === 'boolean') {
    return value ? trans.__('yes') : trans.__('no');
  }
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) {
    return trans.__('none');
  }
  return Array.isArray(value) ? value.join(', ') : wordOf(String(value), trans);
}

/** What the kernel's messages and other codes mean; others are shown as they are. */
function wordOf(code: string, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    execute_request: trans.__('ran a cell'),
    input_reply: trans.__('answered a question'),
    complete_request: trans.__('asked for completions'),
    inspect_request: trans.__('asked for help'),
    pointer: trans.__('pointer'),
    key: trans.__('key')
  };
  return words[code] ?? code;
}

/** The limits that hold for the kernel; the third column says who set them. */
export function limitRows(
  { limits, sources }: Pick<Explained, 'limits' | 'sources'>,
  trans: TranslationBundle
): readonly IRow[] {
  return Object.entries(limits).map(([name, value]) => ({
    name: limitName(name, trans),
    value: limitValue(name, value, trans),
    note: sourceText(sources[name], name, trans)
  }));
}

/** Names of lengths of time, in seconds, of which 0 is none. */
const LENGTH = /_(TTL|MAX_AGE|WARN|LEASE_MAX|LEASE_TOTAL)$/;

function limitName(name: string, trans: TranslationBundle): string {
  const names: Record<string, string> = {
    MLK_IDLE_MODE: trans.__('Mode'),
    MLK_IDLE_TTL: trans.__('Idle'),
    MLK_IDLE_GPU_TTL: trans.__('Idle with an unused GPU'),
    MLK_IDLE_BUSY_SILENT_TTL: trans.__('A running cell that does nothing'),
    MLK_IDLE_INPUT_TTL: trans.__('Waiting for input'),
    MLK_IDLE_MAX_AGE: trans.__('Age, also at work'),
    MLK_IDLE_SERVER_TTL: trans.__('The server without kernels'),
    MLK_IDLE_WARN: trans.__('Warned before'),
    MLK_IDLE_LEASE_MAX: trans.__('Kept at once'),
    MLK_IDLE_LEASE_TOTAL: trans.__('Kept in all'),
    MLK_IDLE_CPU_PCT: trans.__('At work from this CPU on'),
    MLK_IDLE_GPU_PCT: trans.__('At work from this GPU use on'),
    MLK_IDLE_IO_BYTES: trans.__('At work from so many bytes a second on'),
    MLK_IDLE_CHECKPOINT: trans.__('What is noted of its memory before a stop'),
    MLK_IDLE_AUDIT_LOG: trans.__('Decisions also go to the log'),
    MLK_IDLE_WEBHOOK: trans.__('Warnings are posted to'),
    MLK_PROFILE: trans.__('Profile'),
    MLK_PRICE_PER_HOUR: trans.__('Price of the server for an hour'),
    MLK_CURRENCY: trans.__('Currency')
  };
  const words = names[name];
  return words ? `${words} (${name})` : name;
}

function limitValue(name: string, value: unknown, trans: TranslationBundle): string {
  if (value === null || value === undefined || value === '') {
    return trans.__('not set');
  }
  if (typeof value === 'number' && LENGTH.test(name)) {
    return value === 0 ? trans.__('no limit') : duration(value, trans);
  }
  if (typeof value === 'number' && name.endsWith('_PCT')) {
    return percent(value);
  }
  if (typeof value === 'number' && name.endsWith('_BYTES')) {
    return bytes(value);
  }
  if (typeof value === 'boolean') {
    return value ? trans.__('yes') : trans.__('no');
  }
  return String(value);
}

function sourceText(source: string | undefined, name: string, trans: TranslationBundle): string {
  switch (source) {
    case undefined:
      return '';
    case 'default':
      return trans.__('default');
    case 'kernelspec':
      return trans.__('from the kernelspec');
    case 'notebook':
      return trans.__('from the notebook');
    case 'setting':
      return trans.__('your setting');
    case 'ceiling':
      return trans.__('cut to what the server allows');
    case 'fitted':
      return trans.__('shortened to fit the other limits');
    default:
      return source === name ? trans.__('from the server') : trans.__('from %1', source);
  }
}

/** All of it as text, to be sent to whoever runs the server. */
export function asText(explained: Explained, trans: TranslationBundle): string {
  const { kernel } = explained;
  const table = (rows: readonly IRow[]): string[] =>
    rows.map(({ name, value, note }) => `  ${name}: ${value}${note ? ` (${note})` : ''}`);
  return [
    `${nameOf(kernel)} · ${kernel.name} · ${kernel.id}`,
    ...explained.sentences,
    '',
    trans.__('What is known'),
    ...table(signalRows(explained.signals, trans)),
    '',
    trans.__('Limits'),
    ...table(limitRows(explained, trans)),
    ''
  ].join('\n');
}
