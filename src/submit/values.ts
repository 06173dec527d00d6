// Between the form and the spec. Pure.
import { JSONExt } from '@lumino/coreutils';
import type { ReadonlyJSONObject, ReadonlyJSONValue } from '@lumino/coreutils';

import type { Form, JobSpec } from '../api';

/** What the form holds: like a spec, but fields may be empty and compound parameters are JSON text. */
export type Values = ReadonlyJSONObject;

type Parameter = Form['parameters'][number];

/** Names that tell of a secret: their values are not written into the notebook. */
const SECRET =
  /token(?!iz|s)|secret|passw|credential|private|cookie|(^|_|api|access)(key|pat|pwd|auth|dsn)(_|$)/i;

/** An address with a password in it. */
const PASSWORD = /:\/\/[^/\s@]*:[^/\s@]+@/;

/** A parameter that the form shows as JSON text, since a form has no field for lists and the like. */
function isJsonText(parameter: Parameter): boolean {
  return !['boolean', 'number', 'string'].includes(typeof parameter.default);
}

/** What to fill in: the server's proposal, with the values of an earlier job on top, if given. */
export function toValues(form: Form, spec?: Partial<JobSpec>): Values {
  const known = propertiesOf(form.form_schema);
  const chosen = Object.entries(spec ?? {}).filter(
    ([key, value]) => key in known && value !== null
  );
  const values: Record<string, unknown> = { ...form.values, ...Object.fromEntries(chosen) };
  for (const name of ['time_limit_s', 'grace_period_s']) {
    if (typeof values[name] === 'number') {
      values[name] = `${values[name]}s`;
    }
  }
  if (spec?.cluster && known.cluster) {
    values.cluster = { ...(form.values.cluster ?? {}), ...asTyped(spec.cluster, known.cluster) };
  }
  const given = (values.parameters ?? {}) as Record<string, ReadonlyJSONValue>;
  const parameters: Record<string, ReadonlyJSONValue> = {};
  for (const parameter of form.parameters) {
    const value = given[parameter.name];
    if (value !== undefined) {
      const asText = isJsonText(parameter) && typeof value !== 'string';
      parameters[parameter.name] = asText ? JSON.stringify(value) : value;
    }
  }
  return { ...values, parameters } as Values;
}

/**
 * The values for the form of another place: what was typed stays, what is as it was proposed follows the
 * new proposal, and what the new form does not ask is kept for the way back.
 */
export function carried(typed: Values, proposed: Values, next: Values): Values {
  const merged: Record<string, ReadonlyJSONValue> = { ...next };
  for (const [key, value] of Object.entries(typed)) {
    const before = proposed[key];
    if (!(key in next) && value !== undefined) {
      merged[key] = value;
    } else if (GROUPS.has(key) && isObject(value) && isObject(next[key])) {
      merged[key] = carried(value, isObject(before) ? before : {}, next[key]);
    } else if (!JSONExt.deepEqual(value ?? null, before ?? null)) {
      merged[key] = value;
    }
  }
  return merged;
}

/** Whether the form asks for it. */
export function isAsked(key: string, form: Form): boolean {
  return key in propertiesOf(form.form_schema);
}

/** What cannot be read of what was typed. */
export interface IUnreadable {
  readonly parameter: string;
}

/**
 * What is sent. Empty fields are left out, so are parameters that have the notebook's own value: a job
 * follows the notebook where nobody chose otherwise.
 */
export function toSpec(values: Values, form: Form): { spec: JobSpec; unreadable: IUnreadable[] } {
  const unreadable: IUnreadable[] = [];
  const spec: Record<string, unknown> = {};
  const fields = propertiesOf(form.form_schema);
  for (const [key, value] of Object.entries(values)) {
    if (!isEmpty(value) && key !== 'parameters' && key in fields) {
      spec[key] = key === 'cluster' ? filled(value, fields[key]) : value;
    }
  }
  const typed = (values.parameters ?? {}) as Record<string, ReadonlyJSONValue>;
  const parameters: Record<string, ReadonlyJSONValue> = {};
  for (const parameter of form.parameters) {
    let value = typed[parameter.name];
    if (value === undefined || (isJsonText(parameter) && isEmpty(value))) {
      continue;
    }
    if (isJsonText(parameter) && typeof value === 'string') {
      const parsed = parse(value);
      if (parsed !== undefined) {
        value = parsed;
      } else if (parameter.literal) {
        unreadable.push({ parameter: parameter.name });
        continue;
      }
    }
    const isDefault =
      parameter.literal &&
      JSONExt.deepEqual(value, (parameter.default ?? null) as ReadonlyJSONValue);
    if (!isDefault) {
      parameters[parameter.name] = value;
    }
  }
  return { spec: { ...spec, parameters } as unknown as JobSpec, unreadable };
}

/**
 * What the notebook remembers for the next time: all but its own path, and values that look secret.
 *
 * `before` is what it remembers now: a job on this machine says nothing of clusters, which are not forgotten.
 */
export function toOptions(
  spec: JobSpec,
  isForCluster: boolean,
  before: Readonly<Record<string, unknown>> = {}
): Record<string, unknown> {
  const { notebook: _, cluster, ...options } = spec;
  const asked = isForCluster ? clusterOptions(cluster) : before.cluster;
  return {
    ...options,
    parameters: withoutSecrets(options.parameters ?? {}),
    env: withoutSecrets(options.env ?? {}),
    ...(asked ? { cluster: asked } : {})
  };
}

function clusterOptions(cluster: JobSpec['cluster']): Record<string, unknown> {
  const { staging, labels, annotations, ...options } = cluster;
  const tells = staging.some((word, at) => SECRET.test(`${staging[at - 1] ?? ''} ${word}`));
  const kept = {
    ...options,
    staging: tells || staging.some(word => PASSWORD.test(word)) ? [] : staging,
    labels: withoutSecrets(labels),
    annotations: withoutSecrets(annotations)
  };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => !isNothing(value)));
}

/** A refusal by the server with the fields as the form calls them: "Time limit" for `spec.time_limit_s`. */
export function inWords(detail: string, form: Form): string {
  return detail.replace(/\bspec\.(\w+(?:\.\w+)*)/g, (_, field: string) => titleOf(field, form));
}

/** What the form calls a field: "Cluster, Image" for `cluster.image`, "Volumes, 2, Path" for `volumes.1.path`. */
export function titleOf(field: string, form: Form): string {
  let schema: ISchema | undefined = form.form_schema as ISchema;
  return field
    .split('.')
    .map(name => {
      if (/^\d+$/.test(name)) {
        schema = schema?.items;
        return `${Number(name) + 1}`;
      }
      schema = propertiesOf(schema)[name] as ISchema | undefined;
      return schema?.title ?? name;
    })
    .join(', ');
}

/** The part of JSON schema that the form's helpers look at. */
export interface ISchema {
  readonly type?: unknown;
  readonly title?: string;
  readonly properties?: Readonly<Record<string, ISchema>>;
  readonly additionalProperties?: unknown;
  readonly items?: ISchema;
  readonly anyOf?: readonly ISchema[];
}

function propertiesOf(schema: unknown): Readonly<Record<string, ISchema>> {
  const { properties, anyOf } = (schema ?? {}) as ISchema;
  return properties ?? anyOf?.find(branch => branch.properties)?.properties ?? {};
}

/** Values of a spec as its form has them: text where the form has a text field for something else. */
function asTyped(values: object, schema: ISchema): Record<string, unknown> {
  const fields = propertiesOf(schema);
  const typed = Object.entries(values).map(([key, value]: [string, unknown]): [string, unknown] => {
    if (fields[key]?.type !== 'string' || typeof value === 'string' || value === null) {
      return [key, value];
    }
    if (typeof value === 'number') {
      return [key, `${value}s`];
    }
    return [key, Array.isArray(value) ? value.map(quoted).join(' ') : JSON.stringify(value)];
  });
  return Object.fromEntries(typed.filter(([key, value]) => key in fields && value !== null));
}

/** One word of a command as a shell would have to be told it. */
function quoted(word: unknown): string {
  const text = String(word);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`;
}

/** Without fields that were left empty. Names and values that a person chose in pairs stay as they are. */
function filled(value: ReadonlyJSONValue, schema: ISchema): ReadonlyJSONValue {
  if (Array.isArray(value)) {
    const items = value.filter((item: ReadonlyJSONValue) => !isEmpty(item));
    return items.map((item: ReadonlyJSONValue) => filled(item, schema.items ?? {}));
  }
  const fields = propertiesOf(schema);
  if (!isObject(value) || Object.keys(fields).length === 0) {
    return value;
  }
  const kept = Object.entries(value).filter(([, inner]) => !isEmpty(inner));
  return Object.fromEntries(kept.map(([key, inner]) => [key, filled(inner!, fields[key] ?? {})]));
}

/** Values that are objects in which each field is chosen by itself. */
const GROUPS = new Set(['cluster', 'parameters']);

function isObject(value: unknown): value is ReadonlyJSONObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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

function withoutSecrets<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  const harmless = ([name, value]: [string, T]): boolean =>
    typeof value !== 'string' || !(SECRET.test(name) || PASSWORD.test(value));
  return Object.fromEntries(Object.entries(values).filter(harmless));
}

function isEmpty(value: ReadonlyJSONValue | undefined): boolean {
  return value === undefined || value === null || (typeof value === 'string' && !value.trim());
}

function parse(text: string): ReadonlyJSONValue | undefined {
  try {
    return JSON.parse(text) as ReadonlyJSONValue;
  } catch {
    return undefined;
  }
}
