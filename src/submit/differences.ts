// Where one set of values differs from another, field by field. Pure.
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt } from '@lumino/coreutils';
import type { ReadonlyJSONValue } from '@lumino/coreutils';

import type { Form } from '../api';
import { fieldId } from './shapes';
import { GROUPS, isAsked, isEmpty, isObject, propertiesOf } from './values';
import type { Values } from './values';

/** A field that holds something else elsewhere. */
export interface IDifference {
  /** `workers`, `parameters.lr`. */
  readonly field: string;
  /** What it holds there; undefined: nothing. */
  readonly value: ReadonlyJSONValue | undefined;
  /** That value as the notebook writes it: 1e-4. */
  readonly source?: string;
}

/** Fields of the form that hold something else in `there` than in `here`, in the order of the form. */
export function differences(here: Values, there: Values, form: Form): IDifference[] {
  const found: IDifference[] = [];
  for (const [name, schema] of Object.entries(propertiesOf(form.form_schema))) {
    if (name === 'notebook' || !isAsked(name, form)) {
      continue;
    }
    if (!GROUPS.has(name)) {
      compare(name, here[name], there[name], found);
      continue;
    }
    const [own, other] = [here[name], there[name]].map(group => (isObject(group) ? group : {}));
    for (const inner of Object.keys(propertiesOf(schema))) {
      compare(`${name}.${inner}`, own[inner], other[inner], found);
    }
  }
  return found.map(each => {
    const { default: own, source } = parameterOf(each.field, form) ?? {};
    return typeof own === 'number' && own === each.value ? { ...each, source } : each;
  });
}

function parameterOf(field: string, form: Form): Form['parameters'][number] | undefined {
  return form.parameters.find(({ name }) => field === `parameters.${name}`);
}

function compare(
  field: string,
  here: ReadonlyJSONValue | undefined,
  there: ReadonlyJSONValue | undefined,
  found: IDifference[]
): void {
  if (!JSONExt.deepEqual(said(here), said(there))) {
    found.push({ field, value: there });
  }
}

/** A value, with all ways to hold nothing being one. */
function said(value: ReadonlyJSONValue | undefined): ReadonlyJSONValue {
  const isNothing =
    isEmpty(value) || value === false || (typeof value === 'object' && isBare(value));
  return isNothing ? null : value!;
}

/** A list or a set of pairs without entries; what has fields of its own may mean something without any. */
function isBare(value: ReadonlyJSONValue): boolean {
  return Array.isArray(value) ? value.length === 0 : Object.keys(value as object).length === 0;
}

/** The values with these fields set to what they hold elsewhere. */
export function withThese(values: Values, chosen: readonly IDifference[]): Values {
  const next: Record<string, ReadonlyJSONValue | undefined> = { ...values };
  for (const { field, value } of chosen) {
    const [name, inner] = field.split('.');
    if (inner === undefined) {
      next[name] = value;
    } else {
      const group = next[name];
      next[name] = { ...(isObject(group) ? group : {}), [inner]: value } as ReadonlyJSONValue;
    }
  }
  return next as Values;
}

/** By the id of the input, as the form's templates ask for it. */
export function byId(found: readonly IDifference[]): ReadonlyMap<string, IDifference> {
  return new Map(found.map(each => [fieldId(each.field), each]));
}

/** What a field holds there, in a few words. */
export function inWords(
  { value, source }: Omit<IDifference, 'field'>,
  trans: TranslationBundle
): string {
  if (source !== undefined) {
    return source;
  }
  if (typeof value === 'boolean') {
    return value ? trans.__('yes') : trans.__('no');
  }
  if (isEmpty(value)) {
    return trans.__('empty');
  }
  const text = typeof value === 'string' ? value : listed(value!);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

const LONGEST = 60;

function listed(value: ReadonlyJSONValue): string {
  if (Array.isArray(value)) {
    const isPlain = value.every((each: ReadonlyJSONValue) => typeof each !== 'object');
    return isPlain ? value.join(', ') : JSON.stringify(value);
  }
  return typeof value === 'object' ? Object.keys(value as object).join(', ') : String(value);
}
