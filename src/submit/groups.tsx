import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type { ArrayFieldTemplateProps, ObjectFieldTemplateProps } from '@rjsf/utils';
import { useEffect, useRef } from 'react';
import type { ComponentType } from 'react';

import { IconButton } from '../components';
import { Notes } from './notes';
import type { IFormContext } from './notes';
import { fieldId } from './shapes';
import type { ISchema } from './values';

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

/** The groups of the form: the parameters, what a cluster is asked, and the folds for what is rare. */
export function objectTemplate(trans: TranslationBundle): ComponentType<ObjectFieldTemplateProps> {
  const Group = (props: ObjectFieldTemplateProps): JSX.Element | null => {
    const { idSchema, title, schema, properties, formData, uiSchema, formContext } = props;
    const { $id: id } = idSchema;
    const isItem = uiSchema?.['ui:options']?.list !== undefined; // its row bears the name
    const groups = uiSchema?.['ui:options']?.groups as readonly IGroup[] | undefined;
    const rare: IGroup = { title: trans.__('More options'), fields: RARE };
    if (id === 'root') {
      return (
        <div className="mlk-Form-fields">
          {properties.filter(({ name }) => !RARE.includes(name)).map(({ content }) => content)}
          <Fold
            group={rare}
            of={[]}
            properties={properties}
            values={formData ?? {}}
            schema={schema}
            context={formContext as IFormContext | undefined}
          />
        </div>
      );
    }
    if (groups) {
      const seen = groups.filter(group => !group.title).flatMap(({ fields }) => fields);
      return (
        <fieldset className="mlk-Form-group" id={id}>
          <legend>{title}</legend>
          {properties.filter(({ name }) => seen.includes(name)).map(({ content }) => content)}
          {groups
            .filter(group => group.title)
            .map(group => (
              <Fold
                key={group.title}
                group={group}
                of={[id.replace(/^root_/, '')]}
                properties={properties}
                values={formData ?? {}}
                schema={schema}
                context={formContext as IFormContext | undefined}
              />
            ))}
        </fieldset>
      );
    }
    return (
      <fieldset className="mlk-Form-group" id={id}>
        {title && !isItem && <legend>{title}</legend>}
        {properties.map(property => property.content)}
        <Notes id={id} title={title} context={formContext} />
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
  /** Names of what the fields are in. */
  of: readonly string[];
  values: Record<string, unknown>;
  context: IFormContext | undefined;
}

/** Folded until one of its fields holds something, or has something wrong. */
const Fold = (props: IFoldProps): JSX.Element => {
  const { group, of, properties, values, schema, context } = props;
  const ids = group.fields.map(name => fieldId([...of, name].join('.')));
  const isWrong = [...(context?.findings ?? [])].some(
    ([id, findings]) =>
      findings[0].level !== 'note' && ids.some(own => id === own || id.startsWith(`${own}_`))
  );
  const isNeeded = holdsSomething(group.fields, values, schema) || isWrong;
  const fold = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    // Opened when there is a reason to, and left alone from then on: a person may fold it.
    if (isNeeded && fold.current) {
      fold.current.open = true;
    }
  }, [isNeeded, isWrong]);
  return (
    <details className="mlk-Form-more" ref={fold}>
      <summary>{group.title}</summary>
      <div className="mlk-Form-fields">
        {properties.filter(({ name }) => group.fields.includes(name)).map(({ content }) => content)}
      </div>
    </details>
  );
};

/** A list: files to carry along, volumes, names of Secrets. */
export function arrayTemplate(trans: TranslationBundle): ComponentType<ArrayFieldTemplateProps> {
  const List = (props: ArrayFieldTemplateProps): JSX.Element => {
    const { idSchema, title, schema, items, formContext, onAddClick } = props;
    const isOfGroups = (schema.items as ISchema | undefined)?.properties !== undefined;
    return (
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
            role={isOfGroups ? 'group' : undefined}
            aria-label={isOfGroups ? trans.__('%1, %2', title, item.index + 1) : undefined}
          >
            {item.children}
            <IconButton
              icon={closeIcon}
              label={trans.__('Remove item %1', item.index + 1)}
              onClick={item.onDropIndexClick(item.index)}
            />
          </div>
        ))}
        <Notes id={idSchema.$id} title={title} context={formContext} />
        <button type="button" className="mlk-Button" onClick={onAddClick}>
          {idSchema.$id === 'root_files'
            ? trans.__('Add a file or folder')
            : trans.__('Add to “%1”', title)}
        </button>
      </fieldset>
    );
  };
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
