import type { JobSummary } from '../api';

/** Characters of an id's end that are shown: enough to tell hundreds of jobs of one name apart. */
const SHORT_ID = 6;
/** Parameters that a mark names. */
const MOST = 3;

/**
 * What stands beside each job's name so that it is told from the others of that name: what was set for it and not for
 * all of them alike ("lr=0.05"), and the end of its id where that is the same or nothing. A job that is alone of its
 * name bears what was set for it, or "".
 */
export function marksOf(jobs: Iterable<JobSummary>): Map<string, string> {
  const byName = new Map<string, JobSummary[]>();
  for (const job of jobs) {
    const namesakes = byName.get(job.name);
    if (namesakes) {
      namesakes.push(job);
    } else {
      byName.set(job.name, [job]);
    }
  }
  const marks = new Map<string, string>();
  for (const namesakes of byName.values()) {
    const common = namesakes.length > 1 ? commonOf(namesakes) : new Set<string>();
    const words = namesakes.map(job => changedText(job, common));
    const counts = new Map<string, number>();
    words.forEach(each => counts.set(each, (counts.get(each) ?? 0) + 1));
    namesakes.forEach((job, at) => {
      const isOne = counts.get(words[at]) === 1 && (words[at] !== '' || namesakes.length === 1);
      marks.set(
        job.id,
        isOne ? words[at] : [words[at], shortId(job.id)].filter(Boolean).join(' · ')
      );
    });
  }
  return marks;
}

/** "pi · lr=0.05" */
export function titleOf(name: string, mark: string | undefined): string {
  return mark ? `${name} · ${mark}` : name;
}

/** The end of a job's id, which no other job of its name has. */
export function shortId(id: string): string {
  return id.slice(id.lastIndexOf('-') + 1, id.lastIndexOf('-') + 1 + SHORT_ID);
}

/** What all of several jobs have set alike, as "name=value". */
function commonOf([first, ...others]: readonly JobSummary[]): Set<string> {
  const common = Object.entries(first.changed).filter(([name, value]) =>
    others.every(other => other.changed[name] === value)
  );
  return new Set(common.map(([name, value]) => `${name}=${value}`));
}

function changedText(job: JobSummary, common: ReadonlySet<string>): string {
  const words = Object.entries(job.changed)
    .map(([name, value]) => `${name}=${value}`)
    .filter(each => !common.has(each));
  return words.length > MOST ? `${words.slice(0, MOST).join(', ')}…` : words.join(', ');
}
