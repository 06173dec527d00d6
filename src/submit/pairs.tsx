import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { JSONExt } from '@lumino/coreutils';
import type { FieldProps } from '@rjsf/utils';
import { useEffect, useRef, useState } from 'react';
import type { ComponentType } from 'react';

import { IconButton } from '../components';
import { Notes } from './notes';

interface IPair {
  readonly name: string;
  readonly value: string;
}

function toPairs(values: Readonly<Record<string, string>>): IPair[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function toValues(pairs: readonly IPair[]): Record<string, string> {
  const named = pairs.filter(({ name }) => name.trim());
  return Object.fromEntries(named.map(({ name, value }) => [name.trim(), value]));
}

/** What the pairs of one field are called. */
interface IWords {
  readonly name: string;
  readonly value: string;
  readonly placeholder: string;
  readonly remove: string;
  readonly add: string;
}

function wordsOf(field: string, at: number, trans: TranslationBundle): IWords {
  if (field === 'env') {
    return {
      name: trans.__('Name of variable %1', at),
      value: trans.__('Value of variable %1', at),
      placeholder: trans.__('NAME'),
      remove: trans.__('Remove variable %1', at),
      add: trans.__('Add a variable')
    };
  }
  return {
    name: trans.__('Key %1', at),
    value: trans.__('Value of key %1', at),
    placeholder: trans.__('key'),
    remove: trans.__('Remove key %1', at),
    add: trans.__('Add a key')
  };
}

/** Names and values, one pair a row. A row without a name is not there for the form. */
export function pairsField(trans: TranslationBundle): ComponentType<FieldProps> {
  const Pairs = (props: FieldProps): JSX.Element => {
    const { idSchema, name: field, schema, formData, disabled, formContext, onChange } = props;
    const values = (formData ?? {}) as Record<string, string>;
    // Kept here, since an object cannot hold a row that is still being typed.
    const [typed, setPairs] = useState<readonly IPair[]>(() => toPairs(values));
    const pairs = JSONExt.deepEqual(toValues(typed), values) ? typed : toPairs(values);
    const group = useRef<HTMLFieldSetElement>(null);
    const count = useRef(pairs.length);
    useEffect(() => {
      if (pairs.length > count.current) {
        group.current?.querySelector<HTMLElement>('.mlk-Field-pair:last-of-type input')?.focus();
      }
      count.current = pairs.length;
    }, [pairs.length]);
    const set = (next: readonly IPair[]): void => {
      setPairs(next);
      onChange(toValues(next));
    };
    const edit = (at: number, change: Partial<IPair>): void =>
      set(pairs.map((pair, index) => (index === at ? { ...pair, ...change } : pair)));
    return (
      <fieldset
        className="mlk-Form-group"
        id={idSchema.$id}
        aria-describedby={`${idSchema.$id}__description`}
        ref={group}
      >
        <legend>{schema.title}</legend>
        <div id={`${idSchema.$id}__description`} className="mlk-Field-help">
          {schema.description}
        </div>
        {pairs.map(({ name, value }, at) => {
          const words = wordsOf(field, at + 1, trans);
          return (
            <div key={at} className="mlk-Field mlk-Field-pair">
              <input
                type="text"
                aria-label={words.name}
                placeholder={words.placeholder}
                spellCheck={false}
                disabled={disabled}
                value={name}
                onChange={event => edit(at, { name: event.target.value })}
              />
              <input
                type="text"
                aria-label={words.value}
                placeholder={trans.__('value')}
                spellCheck={false}
                disabled={disabled}
                value={value}
                onChange={event => edit(at, { value: event.target.value })}
              />
              <IconButton
                icon={closeIcon}
                label={words.remove}
                onClick={() => set(pairs.filter((_, index) => index !== at))}
              />
            </div>
          );
        })}
        <Notes id={idSchema.$id} title={schema.title ?? field} context={formContext} />
        <button
          type="button"
          className="mlk-Button"
          disabled={disabled}
          onClick={() => set([...pairs, { name: '', value: '' }])}
        >
          {wordsOf(field, 0, trans).add}
        </button>
      </fieldset>
    );
  };
  return Pairs;
}
