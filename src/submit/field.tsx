import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type {
  ArrayFieldTemplateProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps
} from '@rjsf/utils';
import { useState } from 'react';
import type { ComponentType } from 'react';

import { IconButton } from '../components';

/** Fields whose title says it all: what else there is to say is for the tooltip. */
const PLAIN = new Set(['root_name', 'root_workers', 'root_gpus', 'root_mlflow']);
/** Fields that are rarely needed: folded away until they hold something. */
const RARE = new Set(['env', 'files', 'ranks_per_worker', 'mlflow']);

/** A field with a real label: core's template heads fields with `<h3>`, so they have no accessible name. */
export const Field = (props: FieldTemplateProps): JSX.Element => {
  const { id, label, schema, children, hidden, required, rawErrors } = props;
  if (hidden) {
    return <div hidden>{children}</div>;
  }
  const isGroup = schema.type === 'object' || schema.type === 'array';
  if (isGroup) {
    return <>{children}</>;
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
          <div
            id={`${id}__description`}
            className={PLAIN.has(id) ? 'mlk-visually-hidden' : 'mlk-Field-help'}
          >
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

/** The groups of the form: the parameters, and the fold for what is rare. */
export function objectTemplate(trans: TranslationBundle): ComponentType<ObjectFieldTemplateProps> {
  const Group = (props: ObjectFieldTemplateProps): JSX.Element | null => {
    const { idSchema, title, schema, properties, formData } = props;
    const [isOpen] = useState(() => hasRare(formData ?? {}, schema));
    if (idSchema.$id === 'root') {
      const isRare = ({ name }: { name: string }): boolean => RARE.has(name);
      return (
        <div className="mlk-Form-fields">
          {properties.filter(property => !isRare(property)).map(property => property.content)}
          <details className="mlk-Form-more" open={isOpen}>
            <summary>{trans.__('More options')}</summary>
            <div className="mlk-Form-fields">
              {properties.filter(isRare).map(property => property.content)}
            </div>
          </details>
        </div>
      );
    }
    return properties.length === 0 ? null : (
      <fieldset className="mlk-Form-group" id={idSchema.$id}>
        <legend>{title}</legend>
        {properties.map(property => property.content)}
      </fieldset>
    );
  };
  return Group;
}

/** A list of texts: files to carry along. */
export function arrayTemplate(trans: TranslationBundle): ComponentType<ArrayFieldTemplateProps> {
  const List = ({
    idSchema,
    title,
    schema,
    items,
    onAddClick
  }: ArrayFieldTemplateProps): JSX.Element => (
    <fieldset className="mlk-Form-group" id={idSchema.$id} title={schema.description}>
      <legend>{title}</legend>
      {items.map(item => (
        <div key={item.key} className="mlk-Form-item">
          {item.children}
          <IconButton
            icon={closeIcon}
            label={trans.__('Remove item %1', item.index + 1)}
            onClick={item.onDropIndexClick(item.index)}
          />
        </div>
      ))}
      <button type="button" className="mlk-Button" onClick={onAddClick}>
        {trans.__('Add a file or folder')}
      </button>
    </fieldset>
  );
  return List;
}

/** Whether a rare field holds more than its default. */
function hasRare(
  values: Record<string, unknown>,
  schema: ObjectFieldTemplateProps['schema']
): boolean {
  return [...RARE].some(name => {
    const value = values[name];
    const field = schema.properties?.[name];
    if (value === undefined || value === null || typeof field !== 'object') {
      return false;
    }
    return typeof value === 'object' ? Object.keys(value).length > 0 : value !== field.default;
  });
}
