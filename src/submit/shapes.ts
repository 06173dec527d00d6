// What the form's library is told besides the server's schema. Pure.
import type { BackendInfo, Finding, Form } from '../api';
import type { ISchema } from './values';

type Ui = Record<string, unknown>;

/** The server's hints, and our own fields for shapes that the library draws badly. */
export function shapesOf(form: Form): Ui {
  const shapes = shaped(form.form_schema as ISchema, form.ui_schema as Ui);
  const parameters = shapes.parameters as Ui | undefined;
  for (const { name, source } of form.parameters) {
    // A number is shown as the notebook has it: 1e-4 is not 0.0001 to who wrote it.
    const ui = (parameters?.[name] ?? {}) as Ui;
    parameters![name] = { ...ui, 'ui:options': { source } };
  }
  return shapes;
}

function shaped(schema: ISchema, ui: Ui): Ui {
  const next: Ui = { ...ui };
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const inner = (ui[name] ?? {}) as Ui;
    if (field.anyOf) {
      next[name] = { ...inner, 'ui:field': name, 'ui:fieldReplacesAnyOrOneOf': true };
    } else if (isPairs(field)) {
      next[name] = { ...inner, 'ui:field': 'pairs' };
    } else if (field.type === 'integer' || field.type === 'number') {
      next[name] = { ...inner, 'ui:field': 'number' };
    } else if (field.type === 'string') {
      // Else an emptied text would be its default again.
      next[name] = { ...inner, 'ui:emptyValue': '' };
    } else if (field.items) {
      next[name] = { ...inner, items: item(field, (inner.items ?? {}) as Ui) };
    } else if (field.properties) {
      next[name] = shaped(field, inner);
    }
  }
  return next;
}

/** An item of a list, which is called after the list: the library would call it `files-0`. */
function item({ items, title }: ISchema, ui: Ui): Ui {
  return {
    ...(items?.properties ? shaped(items, ui) : { ...ui, 'ui:emptyValue': '' }),
    'ui:options': { list: title }
  };
}

/** Names that a person makes up, with a text each. */
function isPairs({ type, properties, additionalProperties }: ISchema): boolean {
  return type === 'object' && !properties && typeof additionalProperties === 'object';
}

/** The schema with what the cluster has to offer, to choose from or to pass over. */
export function withExamples(
  schema: Form['form_schema'],
  backend: BackendInfo | undefined
): Record<string, unknown> {
  const { properties } = schema as ISchema;
  const cluster = properties?.cluster;
  if (!cluster?.properties || !backend) {
    return schema;
  }
  const offered = { queue: backend.queues, gpu_product: backend.gpu_names };
  const fields = { ...cluster.properties };
  for (const [name, examples] of Object.entries(offered)) {
    if (fields[name] && examples.length > 0) {
      fields[name] = { ...fields[name], examples } as ISchema;
    }
  }
  return {
    ...schema,
    properties: { ...properties, cluster: { ...cluster, properties: fields } }
  };
}

/** The id that the library gives the input of a field: `cluster.image` is `root_cluster_image`. */
export function fieldId(field: string): string {
  return ['root', ...field.split('.')].join('_');
}

/**
 * The field of the form where something about `field` of the spec is shown, and what names the rest of it:
 * `env.A` is a row of `env`. Null for what a person does not see in the form.
 */
export function placeOf(field: string, form: Form): { id: string; rest: string } | null {
  const names = field.split('.');
  const hidden = (form.ui_schema[names[0]] as Ui | undefined)?.['ui:widget'] === 'hidden';
  let schema: ISchema | undefined = form.form_schema as ISchema;
  let depth = 0;
  for (const name of names) {
    const next: ISchema | undefined = /^\d+$/.test(name) ? schema.items : schema.properties?.[name];
    if (!next) {
      break;
    }
    schema = next;
    depth += 1;
  }
  return depth === 0 || hidden
    ? null
    : { id: fieldId(names.slice(0, depth).join('.')), rest: names.slice(depth).join('.') };
}

/** What there is to say of each field, by the id of its input, the worst first. */
export function describedBy(
  findings: readonly Finding[],
  form: Form
): ReadonlyMap<string, readonly Finding[]> {
  const order = ['error', 'warning', 'note'];
  const byId = new Map<string, Finding[]>();
  for (const finding of findings) {
    const place = finding.field ? placeOf(finding.field, form) : null;
    if (place) {
      const text = place.rest ? `${place.rest}: ${finding.text}` : finding.text;
      const found = [...(byId.get(place.id) ?? []), { ...finding, text }];
      found.sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
      byId.set(place.id, found);
    }
  }
  return byId;
}
