import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

import type { JobSpec, JobStatus } from '../api';

/** What was chosen for one notebook the last time: a part of a spec, and where it ran. */
export interface ILast {
  readonly options: Partial<JobSpec>;
  readonly backend: string;
}

/** Where it is kept: with the person's workspace. A notebook that is opened or run stays as it is in git. */
const STATE = 'mlk-jupyter:last-used';
/** Notebooks that are remembered, the ones of late. */
const MOST = 100;

/** What a person chose the last time, by the path of the notebook. */
export class LastUsed {
  /** Without a state database nothing is remembered. */
  constructor(private readonly _state: Pick<IStateDB, 'fetch' | 'save'> | null) {}

  async get(path: string): Promise<ILast | undefined> {
    return (await this._all()).find(([name]) => name === path)?.[1];
  }

  /** Remembers what a job was asked with. `isForCluster`: a job on this machine says nothing of clusters. */
  async put(
    path: string,
    { spec, backend }: Pick<JobStatus, 'spec' | 'backend'>,
    isForCluster: boolean
  ): Promise<void> {
    const all = await this._all();
    const before = all.find(([name]) => name === path)?.[1];
    const options = toOptions(spec, isForCluster, before?.options);
    const others = all.filter(([name]) => name !== path).slice(0, MOST - 1);
    const notebooks = [[path, { options, backend }], ...others];
    await this._state?.save(STATE, { notebooks } as unknown as ReadonlyPartialJSONValue);
  }

  /** The latest first. */
  private async _all(): Promise<readonly (readonly [string, ILast])[]> {
    const kept = (await this._state?.fetch(STATE)) as { notebooks?: unknown } | undefined;
    return Array.isArray(kept?.notebooks) ? (kept.notebooks as [string, ILast][]) : [];
  }
}

/** Names that tell of a secret: their values are not remembered. */
const SECRET =
  /token(?!iz|s)|secret|passw|credential|private|cookie|(^|[^a-z0-9]|api|access)(key|pat|pwd|auth|dsn)([^a-z0-9]|$)/i;

/** An address with a password in it. */
const PASSWORD = /:\/\/[^/\s@]*:[^/\s@]+@/;

/**
 * What is remembered of a spec: all but the notebook's path, and values that look secret.
 *
 * `before` is what is remembered now: a job on this machine says nothing of clusters, which are not forgotten.
 */
export function toOptions(
  spec: JobSpec,
  isForCluster: boolean,
  before: Partial<JobSpec> = {}
): Record<string, unknown> {
  const { notebook: _, cluster, ...options } = spec;
  const asked = isForCluster ? clusterOptions(cluster) : before.cluster;
  return {
    ...options,
    arguments: harmlessWords(options.arguments ?? []),
    parameters: withoutSecrets(options.parameters ?? {}),
    env: withoutSecrets(options.env ?? {}),
    ...(asked ? { cluster: asked } : {})
  };
}

function clusterOptions(cluster: JobSpec['cluster']): Record<string, unknown> {
  const { staging, labels, annotations, ...options } = cluster;
  const kept = {
    ...options,
    staging: harmlessWords(staging),
    labels: withoutSecrets(labels),
    annotations: withoutSecrets(annotations)
  };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => !isNothing(value)));
}

/** What a spec means by leaving it out. */
function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === false ||
    value === 0 ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

/** The words of a command; none of them where one tells of a secret: the rest would be another command. */
function harmlessWords(words: readonly string[]): readonly string[] {
  return words.some(word => SECRET.test(word) || PASSWORD.test(word)) ? [] : words;
}

function withoutSecrets<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  const harmless = ([name, value]: [string, T]): boolean =>
    typeof value !== 'string' || !(SECRET.test(name) || PASSWORD.test(value));
  return Object.fromEntries(Object.entries(values).filter(harmless));
}
