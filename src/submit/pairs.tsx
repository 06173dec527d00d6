import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type { FieldProps } from '@rjsf/utils';
import { useEffect, useRef, useState } from 'react';
import type { ComponentType } from 'react';

import { IconButton } from '../components';

interface IPair {
  readonly name: string;
  readonly value: string;
}

/** Names and values, one pair a row. A row without a name is not there for the form. */
export function pairsField(trans: TranslationBundle): ComponentType<FieldProps> {
  const Pairs = ({ idSchema, schema, formData, disabled, onChange }: FieldProps): JSX.Element => {
    // Kept here, since an object cannot hold a row that is still being typed.
    const [pairs, setPairs] = useState<readonly IPair[]>(() =>
      Object.entries((formData ?? {}) as Record<string, string>).map(([name, value]) => ({
        name,
        value
      }))
    );
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
      const named = next.filter(({ name }) => name.trim());
      onChange(Object.fromEntries(named.map(({ name, value }) => [name.trim(), value])));
    };
    const edit = (at: number, change: Partial<IPair>): void =>
      set(pairs.map((pair, index) => (index === at ? { ...pair, ...change } : pair)));
    return (
      <fieldset className="mlk-Form-group" id={idSchema.$id} title={schema.description} ref={group}>
        <legend>{schema.title}</legend>
        {pairs.map(({ name, value }, at) => (
          <div key={at} className="mlk-Field mlk-Field-pair">
            <input
              type="text"
              aria-label={trans.__('Name of variable %1', at + 1)}
              placeholder={trans.__('NAME')}
              spellCheck={false}
              disabled={disabled}
              value={name}
              onChange={event => edit(at, { name: event.target.value })}
            />
            <input
              type="text"
              aria-label={trans.__('Value of variable %1', at + 1)}
              placeholder={trans.__('value')}
              spellCheck={false}
              disabled={disabled}
              value={value}
              onChange={event => edit(at, { value: event.target.value })}
            />
            <IconButton
              icon={closeIcon}
              label={trans.__('Remove variable %1', at + 1)}
              onClick={() => set(pairs.filter((_, index) => index !== at))}
            />
          </div>
        ))}
        <button
          type="button"
          className="mlk-Button"
          disabled={disabled}
          onClick={() => set([...pairs, { name: '', value: '' }])}
        >
          {trans.__('Add a variable')}
        </button>
      </fieldset>
    );
  };
  return Pairs;
}
