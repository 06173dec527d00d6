import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useState } from 'react';

import { ago, exactTime } from './format';

/** The time in seconds since the epoch, fresh every `everyMs`; null lets it stand. */
export function useNow(everyMs: number | null): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    setNow(Date.now() / 1000);
    if (everyMs === null) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now() / 1000), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export interface IRelativeTimeProps {
  /** Seconds since the epoch. */
  at: number;
  now: number;
  trans: TranslationBundle;
}

/** "3 min ago", the exact time on hover. */
export const RelativeTime = ({ at, now, trans }: IRelativeTimeProps): JSX.Element => (
  <time dateTime={new Date(at * 1000).toISOString()} title={exactTime(at)}>
    {ago(at, now, trans)}
  </time>
);
