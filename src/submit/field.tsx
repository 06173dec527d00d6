import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { ADDITIONAL_PROPERTY_FLAG } from '@rjsf/utils';
import type { FieldTemplateProps, ObjectFieldTemplateProps } from '@rjsf/utils';
import type { ComponentType } from 'react';

import { IconButton } from '../components';

/** A field with a real label: core's template heads fields with `<h3>`, so they have no accessible name. */
export function fieldTemplate(trans: TranslationBundle): ComponentType<FieldTemplateProps> {
  const Field = (props: FieldTemplateProps): JSX.Element => {
    const { id, label, schema, children, hidden, required, rawErrors } = props;
    if (hidden) {
      return <div hidden>{children}</div>;
    }
    const isGroup = schema.type === 'object' || schema.type === 'array';
    if (isGroup) {
      return <>{children}</>;
    }
    if (ADDITIONAL_PROPERTY_FLAG in schema) {
      return (
        <div className="mlk-Field mlk-Field-pair">
          <input
            className="jp-mod-styled"
            type="text"
            aria-label={trans.__('Name of a variable')}
            defaultValue={label}
            onBlur={event => props.onKeyChange(event.target.value)}
          />
          {children}
          <IconButton
            icon={closeIcon}
            label={trans.__('Remove %1', label)}
            onClick={() => props.onDropPropertyClick(label)()}
          />
        </div>
      );
    }
    const isCheckbox = schema.type === 'boolean';
    return (
      <div className="mlk-Field" data-checkbox={isCheckbox || undefined}>
        {!isCheckbox && (
          <label htmlFor={id} title={schema.description}>
            {label}
            {required && <span aria-hidden="true"> *</span>}
          </label>
        )}
        <div className="mlk-Field-input">
          {children}
          {!isCheckbox && schema.description && (
            <div id={`${id}__description`} className="mlk-Field-help">
              {schema.description}
            </div>
          )}
          {rawErrors?.map(error => (
            <div key={error} className="mlk-Field-error">
              {error}
            </div>
          ))}
        </div>
      </div>
    );
  };
  return Field;
}

/** The groups of the form: parameters, environment variables. */
export function objectTemplate(trans: TranslationBundle): ComponentType<ObjectFieldTemplateProps> {
  const Group = (props: ObjectFieldTemplateProps): JSX.Element | null => {
    const { idSchema, title, schema, properties, uiSchema, formData } = props;
    if (idSchema.$id === 'root') {
      return <div className="mlk-Form-fields">{properties.map(property => property.content)}</div>;
    }
    const isOpen = schema.additionalProperties !== false;
    if (properties.length === 0 && !isOpen) {
      return null;
    }
    return (
      <fieldset className="mlk-Form-group" id={idSchema.$id}>
        <legend>{uiSchema?.['ui:title'] ?? title}</legend>
        {properties.map(property => property.content)}
        {isOpen && (
          <button type="button" className="mlk-Button" onClick={props.onAddClick(schema)}>
            {Object.keys(formData ?? {}).length > 0
              ? trans.__('Add another')
              : trans.__('Add a variable')}
          </button>
        )}
      </fieldset>
    );
  };
  return Group;
}
