import type { TranslationBundle } from '@jupyterlab/translation';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** From the largest: so many seconds, and those of what is counted in it. */
const UNITS = [
  [DAY, HOUR],
  [HOUR, MINUTE],
  [MINUTE, 1]
] as const;

/** The language of the page, for dates; undefined leaves it to the browser. */
export function language(): string | undefined {
  return document.documentElement.lang || undefined;
}

/** A length of time in its two largest units, whole seconds at the least: "7 s", "2 min 5 s", "2 h". */
export function duration(seconds: number, trans: TranslationBundle): string {
  const whole = Math.max(0, Math.round(seconds));
  const [large, small] = UNITS.find(([size]) => whole >= size) ?? [];
  if (!large || !small) {
    return trans.__('%1 s', whole);
  }
  const count = Math.floor(whole / large);
  const rest = Math.floor((whole % large) / small);
  switch (large) {
    case DAY:
      return rest ? trans.__('%1 d %2 h', count, rest) : trans.__('%1 d', count);
    case HOUR:
      return rest ? trans.__('%1 h %2 min', count, rest) : trans.__('%1 h', count);
    default:
      return rest ? trans.__('%1 min %2 s', count, rest) : trans.__('%1 min', count);
  }
}

/** How long something took: with tenths below ten seconds. */
export function took(seconds: number, trans: TranslationBundle): string {
  return seconds < 9.95
    ? trans.__('%1 s', Number(Math.max(0, seconds).toFixed(1)))
    : duration(seconds, trans);
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

/**
 * A measured value to four significant digits, a whole one below a thousand million in full; what is not finite is said
 * in words. With a point in every language, as the notebook and MLflow print it.
 */
export function figure(value: number | null, trans: TranslationBundle): string {
  if (value === null || !Number.isFinite(value)) {
    return trans.__('not a number');
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return String(value);
  }
  const rounded = Number(value.toPrecision(4));
  const size = Math.abs(rounded);
  return size >= 1e-4 && size < 1e6 ? String(rounded) : rounded.toExponential();
}

/** A size in bytes, in the binary unit that leaves few figures. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(unit === 0 || value >= 100 ? 0 : 1))} ${units[unit]}`;
}

/** An amount of money with few figures: two of those that count below 1, none after the point from 100 on. */
export function money(amount: number, currency: string): string {
  const digits = moneyDigits(Math.abs(amount));
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return amount.toLocaleString(language(), {
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      ...options
    });
  } catch {
    // a currency that the browser does not know is shown as it is
    return `${amount.toLocaleString(language(), options)} ${currency}`;
  }
}

function moneyDigits(size: number): number {
  if (size >= 99.995) {
    return 0;
  }
  return size >= 0.1 || size < 1e-6 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(size)));
}
