const PREFIX = 'mlk-job-';

/** The id of the widget that is the tab of a job. */
export function tabOfJob(id: string): string {
  return PREFIX + id;
}

/** The job whose tab bears this id; null of another's. */
export function jobOfTab(id: string): string | null {
  return id.startsWith(PREFIX) ? id.slice(PREFIX.length) : null;
}
