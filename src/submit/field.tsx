import type { FieldTemplateProps } from '@rjsf/utils';

import { levelOf, Notes } from './notes';
import type { IFormContext } from './notes';

/** Fields whose title says it all: what else there is to say is for the tooltip. */
const PLAIN = new Set(['root_name', 'root_workers', 'root_gpus', 'root_mlflow']);

/** A field with a real label: core's template heads fields with `<h3>`, so they have no accessible name. */
export const Field = (props: FieldTemplateProps): JSX.Element => {
  const { id, label, schema, children, hidden, required, formContext, uiSchema } = props;
  if (hidden) {
    return <div hidden>{children}</div>;
  }
  const isGroup = schema.type === 'object' || schema.type === 'array' || schema.anyOf;
  if (isGroup) {
    return <>{children}</>;
  }
  const isCheckbox = schema.type === 'boolean';
  const context = formContext as IFormContext | undefined;
  const list = uiSchema?.['ui:options']?.list as string | undefined;
  const title = list ? `${list}, ${Number(id.split('_').at(-1)) + 1}` : label;
  return (
    <div
      className="mlk-Field"
      data-checkbox={isCheckbox || undefined}
      data-item={list ? true : undefined}
      data-level={levelOf(id, context)}
      data-changed={context?.own.has(id) || undefined}
    >
      {!isCheckbox && (
        <label htmlFor={id} title={schema.description}>
          {title}
          {required && !list && <span aria-hidden="true"> *</span>}
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
        <Notes id={id} title={title} context={context} />
      </div>
    </div>
  );
};
