import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type {
  ArrayFieldTemplateProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps
} from '@rjsf/utils';
import { useState } from 'react';
import type { ComponentType } from 'react';

import type { Finding } from '../api';
import { IconButton } from '../components';

/** What the fields know besides their values. */
export interface IFormContext {
  /** What speaks against what a field holds, by the field's id. */
  readonly findings: ReadonlyMap<string, Finding>;
}

/** Fields whose title says it all: what else there is to say is for the tooltip. */
const PLAIN = new Set(['root_name', 'root_workers', 'root_gpus', 'root_mlflow']);
/** Fields that are rarely needed: folded away until they hold something. */
const RARE = [
  'grace_period_s',
  'env',
  'files',
  'ranks_per_worker',
  'kernel',
  'python',
  'output_limit',
  'notebook_limit',
  'mlflow'
];

/** A field with a real label: core's template heads fields with `<h3>`, so they have no accessible name. */
export const Field = (props: FieldTemplateProps): JSX.Element => {
  const { id, label, schema, children, hidden, required, rawErrors, formContext } = props;
  const finding = (formContext as IFormContext | undefined)?.findings.get(id);
  if (hidden) {
    return <div hidden>{children}</div>;
  }
  const isGroup = schema.type === 'object' || schema.type === 'array' || schema.anyOf;
  if (isGroup) {
    return <>{children}</>;
  }
  const isCheckbox = schema.type === 'boolean';
  return (
    <div className="mlk-Field" data-checkbox={isCheckbox || undefined} data-level={finding?.level}>
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
        {finding && (
          <div id={`${id}__error`} className="mlk-visually-hidden">
            {finding.text}
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

/** The groups of the form: the parameters, what a cluster is asked, and the folds for what is rare. */
export function objectTemplate(trans: TranslationBundle): ComponentType<ObjectFieldTemplateProps> {
  const Group = (props: ObjectFieldTemplateProps): JSX.Element | null => {
    const { idSchema, title, schema, properties, formData, uiSchema } = props;
    const groups = uiSchema?.['ui:options']?.groups as readonly IGroup[] | undefined;
    const rare: IGroup = { title: trans.__('More options'), fields: RARE };
    if (idSchema.$id === 'root') {
      return (
        <div className="mlk-Form-fields">
          {properties.filter(({ name }) => !RARE.includes(name)).map(({ content }) => content)}
          <Fold group={rare} properties={properties} values={formData ?? {}} schema={schema} />
        </div>
      );
    }
    if (groups) {
      const seen = groups.filter(group => !group.title).flatMap(({ fields }) => fields);
      return (
        <fieldset className="mlk-Form-group" id={idSchema.$id}>
          <legend>{title}</legend>
          {properties.filter(({ name }) => seen.includes(name)).map(({ content }) => content)}
          {groups
            .filter(group => group.title)
            .map(group => (
              <Fold
                key={group.title}
                group={group}
                properties={properties}
                values={formData ?? {}}
                schema={schema}
              />
            ))}
        </fieldset>
      );
    }
    return properties.length === 0 ? null : (
      <fieldset className="mlk-Form-group" id={idSchema.$id}>
        {title && <legend>{title}</legend>}
        {properties.map(property => property.content)}
      </fieldset>
    );
  };
  return Group;
}

/** Fields that stand together; without a title they are always seen. */
interface IGroup {
  readonly title: string | null;
  readonly fields: readonly string[];
}

interface IFoldProps extends Pick<ObjectFieldTemplateProps, 'properties' | 'schema'> {
  group: IGroup;
  values: Record<string, unknown>;
}

/** Folded until one of its fields holds something. */
const Fold = ({ group, properties, values, schema }: IFoldProps): JSX.Element => {
  const [isOpen] = useState(() => holdsSomething(group.fields, values, schema));
  return (
    <details className="mlk-Form-more" open={isOpen}>
      <summary>{group.title}</summary>
      <div className="mlk-Form-fields">
        {properties.filter(({ name }) => group.fields.includes(name)).map(({ content }) => content)}
      </div>
    </details>
  );
};

/** A list: files to carry along, volumes, names of Secrets. */
export function arrayTemplate(trans: TranslationBundle): ComponentType<ArrayFieldTemplateProps> {
  const List = ({
    idSchema,
    title,
    schema,
    items,
    onAddClick
  }: ArrayFieldTemplateProps): JSX.Element => (
    <fieldset
      className="mlk-Form-group"
      id={idSchema.$id}
      aria-describedby={`${idSchema.$id}__description`}
    >
      <legend>{title}</legend>
      <div id={`${idSchema.$id}__description`} className="mlk-Field-help">
        {schema.description}
      </div>
      {items.map(item => (
        <div
          key={item.key}
          className="mlk-Form-item"
          role="group"
          aria-label={trans.__('%1, %2', title, item.index + 1)}
        >
          {item.children}
          <IconButton
            icon={closeIcon}
            label={trans.__('Remove item %1', item.index + 1)}
            onClick={item.onDropIndexClick(item.index)}
          />
        </div>
      ))}
      <button type="button" className="mlk-Button" onClick={onAddClick}>
        {idSchema.$id === 'root_files'
          ? trans.__('Add a file or folder')
          : trans.__('Add to “%1”', title)}
      </button>
    </fieldset>
  );
  return List;
}

/** Whether one of these fields holds more than its default. */
function holdsSomething(
  fields: readonly string[],
  values: Record<string, unknown>,
  schema: ObjectFieldTemplateProps['schema']
): boolean {
  return fields.some(name => {
    const value = values[name];
    const field = schema.properties?.[name];
    if (value === undefined || value === null || value === '' || typeof field !== 'object') {
      return false;
    }
    if (Array.isArray(value) || (typeof value === 'object' && !field.anyOf)) {
      return Object.keys(value).length > 0;
    }
    return value !== field.default;
  });
}
