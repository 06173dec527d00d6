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
  const known = new Set(Object.keys((form.form_schema.properties ?? {}) as object));
  const chosen = Object.entries(spec ?? {}).filter(
    ([key, value]) => known.has(key) && value !== null
  );
  const values: Record<string, unknown> = { ...form.values, ...Object.fromEntries(chosen) };
  if (typeof values.time_limit_s === 'number') {
    values.time_limit_s = `${values.time_limit_s}s`;
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
  for (const [key, value] of Object.entries(values)) {
    if (!isEmpty(value) && key !== 'parameters') {
      spec[key] = value;
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

/** What the notebook remembers for the next time: all but its own path, and values that look secret. */
export function toOptions(spec: JobSpec): Record<string, unknown> {
  const { notebook: _, ...options } = spec;
  return {
    ...options,
    parameters: withoutSecrets(options.parameters ?? {}),
    env: withoutSecrets(options.env ?? {})
  };
}

/** A refusal by the server with the fields as the form calls them: "Time limit" for `spec.time_limit_s`. */
export function inWords(detail: string, form: Form): string {
  const titles = (form.form_schema.properties ?? {}) as Record<string, { title?: string }>;
  return detail.replace(/\bspec\.(\w+)((?:\.\w+)*)/g, (_, field: string, inside: string) =>
    [titles[field]?.title ?? field, ...inside.split('.').slice(1)].join(', ')
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
