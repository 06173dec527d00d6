import { ariaDescribedByIds } from '@rjsf/utils';
import type { FieldProps } from '@rjsf/utils';
import { useState } from 'react';

import { levelOf } from './notes';

/**
 * A number as it is typed: `1e-4` and `0.0` stay as they are, and an emptied field is empty. The library's own
 * gives nothing for it, which is the default again.
 *
 * Gives a number, or the text that is none.
 */
export const NumberField = (props: FieldProps): JSX.Element => {
  const { idSchema, schema, formData, disabled, required, formContext, uiSchema, onChange } = props;
  const source = uiSchema?.['ui:options']?.source;
  const [typed, setTyped] = useState(() => shown(formData, schema.default, source));
  const text = Object.is(read(typed), formData)
    ? typed
    : shown(formData as unknown, schema.default, source);
  return (
    <input
      type="text"
      inputMode={schema.type === 'integer' ? 'numeric' : 'decimal'}
      id={idSchema.$id}
      aria-describedby={ariaDescribedByIds(idSchema.$id)}
      aria-invalid={levelOf(idSchema.$id, formContext) === 'error' || undefined}
      autoComplete="off"
      required={required}
      disabled={disabled}
      value={text}
      onChange={event => {
        setTyped(event.target.value);
        onChange(read(event.target.value));
      }}
      onKeyDown={event => {
        const step = schema.type === 'integer' ? STEPS.get(event.key) : undefined;
        if (step && typeof formData === 'number') {
          event.preventDefault();
          const least = schema.minimum ?? -Infinity;
          const most = schema.maximum ?? Infinity;
          onChange(Math.min(most, Math.max(least, formData + step)));
        }
      }}
    />
  );
};

/** Keys that change a whole number. */
const STEPS: ReadonlyMap<string, number> = new Map([
  ['ArrowUp', 1],
  ['ArrowDown', -1]
]);

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function read(text: string): number | string {
  const bare = text.trim();
  return NUMBER.test(bare) ? Number(bare) : bare;
}

function shown(value: unknown, own: unknown, source: unknown): string {
  const isAsWritten = typeof source === 'string' && value === own && read(source) === value;
  return isAsWritten ? source : String(value ?? '');
}
