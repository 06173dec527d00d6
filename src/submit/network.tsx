import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt } from '@lumino/coreutils';
import type { FieldProps } from '@rjsf/utils';
import { useState } from 'react';
import type { ComponentType } from 'react';

import type { ClusterOptions } from '../api';
import { Notes } from './notes';
import type { ISchema } from './values';

type Network = NonNullable<ClusterOptions['network']>;

/**
 * Whether the job is kept to itself, and what it may reach besides. Nothing and an empty list mean different
 * things, so this is no object that a form fills with defaults.
 */
export function networkField(trans: TranslationBundle): ComponentType<FieldProps> {
  const NetworkField = (props: FieldProps): JSX.Element => {
    const { idSchema, schema, formData, disabled, formContext, onChange } = props;
    const network = formData as Network | undefined;
    const listed = network?.allow ?? [];
    const [typed, setTyped] = useState('');
    const text = JSONExt.deepEqual(addresses(typed), listed) ? typed : listed.join(', ');
    const allow = (schema as ISchema).anyOf?.find(branch => branch.properties)?.properties?.allow;
    const { $id: id } = idSchema;
    return (
      <fieldset className="mlk-Form-group">
        <label className="mlk-Form-check">
          <input
            type="checkbox"
            id={id}
            aria-describedby={`${id}__description`}
            checked={Boolean(network)}
            disabled={disabled}
            onChange={event => onChange(event.target.checked ? { allow: [] } : undefined)}
          />
          {schema.title}
        </label>
        <div id={`${id}__description`} className="mlk-Field-help">
          {schema.description}
        </div>
        <Notes id={id} title={schema.title ?? ''} context={formContext} />
        {network && (
          <div className="mlk-Field">
            <label htmlFor={`${id}_allow`}>{allow?.title ?? trans.__('May also reach')}</label>
            <div className="mlk-Field-input">
              <input
                type="text"
                id={`${id}_allow`}
                placeholder="10.0.0.0/8:443, 192.0.2.7"
                spellCheck={false}
                disabled={disabled}
                value={text}
                onChange={event => {
                  setTyped(event.target.value);
                  onChange({ allow: addresses(event.target.value) });
                }}
              />
            </div>
          </div>
        )}
      </fieldset>
    );
  };
  return NetworkField;
}

function addresses(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}
