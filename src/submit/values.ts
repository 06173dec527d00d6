// Between the form and the spec. Pure.
import { JSONExt } from '@lumino/coreutils';
import type { ReadonlyJSONObject, ReadonlyJSONValue } from '@lumino/coreutils';

import type { Form, JobSpec } from '../api';

/** What the form holds: like a spec, but fields may be empty and compound parameters are JSON text. */
export type Values = ReadonlyJSONObject;

type Parameter = Form['parameters'][number];

/** Whether a parameter has a field for text that is read as JSON: a form has none for lists, dicts and None. */
function isRead(parameter: Parameter): boolean {
  return !['boolean', 'number', 'string'].includes(typeof parameter.default);
}

/** Whether that text must be JSON: of what is None, or computed, nobody knows what else it may be. */
function mustBeJson(parameter: Parameter): boolean {
  return parameter.literal && isRead(parameter) && parameter.default !== null;
}

/** What the field of a parameter holds for a value; without one, the notebook's own. */
function shownIn(parameter: Parameter, value: ReadonlyJSONValue | undefined): ReadonlyJSONValue {
  const own = (parameter.default ?? null) as ReadonlyJSONValue;
  const shown = value === undefined ? own : value;
  if (!isRead(parameter)) {
    return shown;
  }
  if (JSONExt.deepEqual(shown, own)) {
    // As it is written, where that is JSON too; nothing for None and what is computed.
    const isJson = !parameter.source.includes('\n') && parse(parameter.source) !== undefined;
    return own === null ? '' : isJson ? parameter.source : JSON.stringify(own);
  }
  const isPlain = typeof shown === 'string' && parse(shown) === undefined;
  return isPlain && !mustBeJson(parameter) ? shown : JSON.stringify(shown);
}

/**
 * What to fill in: what the notebook says and the defaults, as the server has them; with the values of an
 * earlier job on top, if given.
 */
export function toValues(form: Form, spec?: Partial<JobSpec>): Values {
  const known = propertiesOf(form.form_schema);
  const chosen = Object.entries(spec ?? {}).filter(
    ([key, value]) => key in known && value !== null
  );
  const values: Record<string, unknown> = { ...form.values, ...Object.fromEntries(chosen) };
  for (const name of ['time_limit_s', 'grace_period_s']) {
    if (typeof values[name] === 'number') {
      values[name] = span(values[name]);
    }
  }
  if (spec?.cluster && known.cluster) {
    values.cluster = { ...(form.values.cluster ?? {}), ...asTyped(spec.cluster, known.cluster) };
  }
  const given = (values.parameters ?? {}) as Record<string, ReadonlyJSONValue>;
  const parameters = form.parameters.map(parameter => [
    parameter.name,
    shownIn(parameter, given[parameter.name])
  ]);
  return { ...values, parameters: Object.fromEntries(parameters) } as Values;
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

/**
 * What is sent. Empty fields are left out, so are parameters that have the notebook's own value: a job
 * follows the notebook where nobody chose otherwise.
 */
export function toSpec(values: Values, form: Form): JobSpec {
  const spec: Record<string, unknown> = {};
  const fields = propertiesOf(form.form_schema);
  for (const [key, value] of Object.entries(values)) {
    if (!isEmpty(value) && key !== 'parameters' && key in fields) {
      spec[key] = filled(value, fields[key]);
    }
  }
  const typed = (values.parameters ?? {}) as Record<string, ReadonlyJSONValue>;
  const parameters: Record<string, ReadonlyJSONValue> = {};
  for (const parameter of form.parameters) {
    const value = readFrom(parameter, typed[parameter.name]);
    const isDefault =
      parameter.literal &&
      JSONExt.deepEqual(value ?? null, (parameter.default ?? null) as ReadonlyJSONValue);
    if (value !== undefined && !isDefault) {
      parameters[parameter.name] = value;
    }
  }
  return { ...spec, parameters } as unknown as JobSpec;
}

/** The value in the field of a parameter; undefined where it is the notebook's own, or cannot be read. */
function readFrom(
  parameter: Parameter,
  typed: ReadonlyJSONValue | undefined
): ReadonlyJSONValue | undefined {
  if (!isRead(parameter) || typeof typed !== 'string') {
    return typed;
  }
  const parsed = parse(typed);
  const isPlain = parsed === undefined && !mustBeJson(parameter) && !isEmpty(typed);
  return isPlain ? typed : parsed;
}

/** Whether what is in the field of a parameter cannot be read. */
export function isUnreadable(parameter: Parameter, typed: ReadonlyJSONValue | undefined): boolean {
  return mustBeJson(parameter) && readFrom(parameter, typed) === undefined;
}

/**
 * The first number in the field of a parameter that is not kept as it was typed: too large, or a whole one that is
 * rounded. Null where there is none, and where the value is the notebook's own, which is not sent.
 */
export function roundedIn(
  parameter: Parameter,
  schema: ISchema | undefined,
  typed: ReadonlyJSONValue | undefined
): number | null {
  if (JSONExt.deepEqual(readFrom(parameter, typed) ?? null, parameter.default as never)) {
    return null;
  }
  if (typeof typed === 'number') {
    const isRounded = schema?.type === 'integer' && Number.isInteger(typed);
    return Number.isFinite(typed) && !(isRounded && !Number.isSafeInteger(typed)) ? null : typed;
  }
  if (!isRead(parameter) || typeof typed !== 'string' || parse(typed) === undefined) {
    return null;
  }
  const numbers = typed.replace(JSON_TEXT, '""').match(JSON_NUMBER) ?? [];
  const isKept = (number: string): boolean =>
    /^-?\d+$/.test(number) ? Number.isSafeInteger(Number(number)) : Number.isFinite(Number(number));
  const rounded = numbers.find(number => !isKept(number));
  return rounded === undefined ? null : Number(rounded);
}

const JSON_TEXT = /"(?:[^"\\]|\\.)*"/g;
const JSON_NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;

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

/** The same where it stands among others: a parameter goes by its own name. */
export function shortTitle(field: string, form: Form): string {
  return field.startsWith('parameters.') ? field.slice('parameters.'.length) : titleOf(field, form);
}

/** The part of JSON schema that the form's helpers look at. */
export interface ISchema {
  readonly type?: unknown;
  readonly title?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, ISchema>>;
  readonly additionalProperties?: unknown;
  readonly items?: ISchema;
  readonly anyOf?: readonly ISchema[];
}

export function propertiesOf(schema: unknown): Readonly<Record<string, ISchema>> {
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
      return [key, span(value)];
    }
    return [key, Array.isArray(value) ? value.map(quoted).join(' ') : JSON.stringify(value)];
  });
  return Object.fromEntries(typed.filter(([key, value]) => key in fields && value !== null));
}

const UNITS: readonly (readonly [number, string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm']
];

/** Seconds in the largest unit that keeps them whole: 7200 is "2h". */
function span(seconds: number): string {
  const [size, unit] = UNITS.find(([size]) => seconds % size === 0) ?? [1, 's'];
  return `${seconds / size}${unit}`;
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
export const GROUPS: ReadonlySet<string> = new Set(['cluster', 'parameters']);

export function isObject(value: unknown): value is ReadonlyJSONObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isEmpty(value: ReadonlyJSONValue | undefined): boolean {
  return value === undefined || value === null || (typeof value === 'string' && !value.trim());
}

function parse(text: string): ReadonlyJSONValue | undefined {
  try {
    return JSON.parse(text) as ReadonlyJSONValue;
  } catch {
    return undefined;
  }
}
