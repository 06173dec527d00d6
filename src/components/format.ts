import type { TranslationBundle } from '@jupyterlab/translation';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The language of the page, for figures and dates; undefined leaves it to the browser. */
export function language(): string | undefined {
  return document.documentElement.lang || undefined;
}

/** How long something took, in its two largest units. */
export function duration(seconds: number, trans: TranslationBundle): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) {
    return trans.__('%1 s', whole);
  }
  if (whole < HOUR) {
    return trans.__('%1 min %2 s', Math.floor(whole / MINUTE), whole % MINUTE);
  }
  if (whole < DAY) {
    return trans.__('%1 h %2 min', Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE));
  }
  return trans.__('%1 d %2 h', Math.floor(whole / DAY), Math.floor((whole % DAY) / HOUR));
}

/** A guess of a duration, in one unit: more figures would promise what nobody knows. */
export function roughly(seconds: number, trans: TranslationBundle): string {
  if (seconds < MINUTE) {
    return trans.__('~%1 s', Math.max(1, Math.round(seconds)));
  }
  if (seconds < HOUR) {
    return trans.__('~%1 min', Math.round(seconds / MINUTE));
  }
  if (seconds < DAY) {
    return trans.__('~%1 h', Math.round(seconds / HOUR));
  }
  return trans.__('~%1 d', Math.round(seconds / DAY));
}

/** How long ago something was. Both in seconds since the epoch. */
export function ago(at: number, now: number, trans: TranslationBundle): string {
  const seconds = now - at;
  if (seconds < 10) {
    return trans.__('just now');
  }
  if (seconds < MINUTE) {
    return trans.__('%1 s ago', Math.floor(seconds));
  }
  if (seconds < HOUR) {
    return trans.__('%1 min ago', Math.floor(seconds / MINUTE));
  }
  if (seconds < DAY) {
    return trans.__('%1 h ago', Math.floor(seconds / HOUR));
  }
  if (seconds < 7 * DAY) {
    return trans.__('%1 d ago', Math.floor(seconds / DAY));
  }
  return new Date(at * 1000).toLocaleDateString(language(), { dateStyle: 'medium' });
}

/** The exact date and time, for a tooltip. `at` in seconds since the epoch. */
export function exactTime(at: number): string {
  return new Date(at * 1000).toLocaleString(language(), {
    dateStyle: 'medium',
    timeStyle: 'medium'
  });
}

/** A measured value in few figures; what is not finite is said in words. */
export function figure(value: number | null, trans: TranslationBundle): string {
  if (value === null || !Number.isFinite(value)) {
    return trans.__('not a number');
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) {
    return value.toExponential(2);
  }
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return value.toLocaleString(language(), { maximumFractionDigits: digits });
}

/** A size in bytes, in the unit that leaves few figures. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  const figures = value.toLocaleString(language(), { maximumFractionDigits: digits });
  return `${figures} ${units[unit]}`;
}
