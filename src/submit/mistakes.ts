// What is wrong with what is typed, found before any server is asked. Pure.
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyJSONValue } from '@lumino/coreutils';

import type { Finding, Form } from '../api';
import { isEmpty, isObject, isUnreadable, propertiesOf, roundedIn } from './values';
import type { ISchema, Values } from './values';

/**
 * Every mistake with the field that it is in. A number that was emptied is one: nobody chose the default.
 *
 * What only the server can judge (a quantity, a name) is left to it.
 */
export function mistakesOf(values: Values, form: Form, trans: TranslationBundle): Finding[] {
  const { properties, required } = form.form_schema as ISchema;
  const found: Finding[] = [];
  const say = (field: string, text: string | null): void => {
    if (text !== null) {
      found.push({ level: 'error', code: 'mistake', text, hint: null, field });
    }
  };
  const look = (field: string, schema: ISchema, value: ReadonlyJSONValue | undefined): void => {
    if (schema.properties) {
      const inner = isObject(value) ? value : {};
      for (const [name, each] of Object.entries(schema.properties)) {
        look(`${field}.${name}`, each, inner[name]);
      }
    } else if (Array.isArray(value) && schema.items?.properties) {
      value.forEach((item, at) => look(`${field}.${at}`, schema.items!, item));
    } else {
      say(field, wrong(schema, value, trans) ?? misshapen(field, schema, value, form));
    }
  };
  const lookAtParameters = (): void => {
    const typed = isObject(values.parameters) ? values.parameters : {};
    const known = propertiesOf(properties?.parameters);
    for (const parameter of form.parameters) {
      const value = typed[parameter.name];
      const field = `parameters.${parameter.name}`;
      if (isUnreadable(parameter, value)) {
        say(field, trans.__('JSON, for example [1, 2], {"a": 1} or "text"'));
      } else if (isNumber(known[parameter.name]) && typeof value !== 'number') {
        // Whether it may have a fraction is the server's to say: it knows the Python that the notebook is in.
        say(field, trans.__('a number'));
      } else {
        say(field, unkept(roundedIn(parameter, known[parameter.name], value), trans));
      }
    }
  };
  for (const [name, schema] of Object.entries(properties ?? {})) {
    if (name === 'parameters') {
      lookAtParameters();
    } else {
      const isMissing = required?.includes(name) && isEmpty(values[name]);
      look(name, schema, values[name]);
      say(name, isMissing ? trans.__('it is empty') : null);
    }
  }
  return found;
}

/** What a number must be that a browser does not keep as it was typed. */
function unkept(number: number | null, trans: TranslationBundle): string | null {
  if (number === null) {
    return null;
  }
  return Number.isFinite(number)
    ? trans.__(
        'a whole number of at most %1: a browser rounds larger ones',
        Number.MAX_SAFE_INTEGER.toLocaleString('en')
      )
    : trans.__('a number below 1.8e308: a browser knows no larger ones');
}

/** What a field must hold, where it holds something else; null where nothing is wrong. */
function wrong(
  schema: ISchema,
  value: ReadonlyJSONValue | undefined,
  trans: TranslationBundle
): string | null {
  const { minimum: least, maximum: most } = schema;
  if (isEmpty(value) && schema.default === undefined) {
    return null;
  }
  if (isNumber(schema)) {
    const isWhole = schema.type === 'integer';
    const isKept = isWhole ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (typeof value !== 'number' || !isKept) {
      return isEmpty(value) && least !== undefined
        ? trans.__('a number, at least %1', least)
        : isWhole
          ? trans.__('a whole number, for example %1', Math.max(1, least ?? 1))
          : trans.__('a number');
    }
    if (least !== undefined && value < least) {
      return trans.__('at least %1', least);
    }
    return most !== undefined && value > most
      ? trans.__('at most %1', most.toLocaleString('en'))
      : null;
  }
  return schema.type === 'string' && isEmpty(value) ? trans.__('it is empty') : null;
}

/** What a text must be that has not the shape asked for, where the server has words for it. */
function misshapen(
  field: string,
  { pattern }: ISchema,
  value: ReadonlyJSONValue | undefined,
  form: Form
): string | null {
  if (pattern === undefined || typeof value !== 'string' || new RegExp(pattern).test(value)) {
    return null;
  }
  const [name, inner] = field.split('.');
  const group = form.ui_schema[name] as Record<string, IHints> | undefined;
  const hints = inner === undefined ? (group as unknown as IHints | undefined) : group?.[inner];
  return hints?.['ui:options']?.mistake ?? null;
}

/** The part of a field's hints that says what it must be. */
interface IHints {
  readonly 'ui:options'?: { readonly mistake?: string };
}

function isNumber(schema: ISchema | undefined): boolean {
  return schema?.type === 'integer' || schema?.type === 'number';
}
