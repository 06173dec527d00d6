// What the form's library is told besides the server's schema. Pure.
import type { BackendInfo, Finding, Form } from '../api';
import type { ISchema } from './values';

type Ui = Record<string, unknown>;

/** The server's hints, and our own fields for shapes that the library draws badly. */
export function shapesOf(form: Form): Ui {
  return shaped(form.form_schema as ISchema, form.ui_schema as Ui);
}

function shaped(schema: ISchema, ui: Ui): Ui {
  const next: Ui = { ...ui };
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const inner = (ui[name] ?? {}) as Ui;
    if (field.anyOf) {
      next[name] = { ...inner, 'ui:field': name, 'ui:fieldReplacesAnyOrOneOf': true };
    } else if (isPairs(field)) {
      next[name] = { ...inner, 'ui:field': 'pairs' };
    } else if (field.properties) {
      next[name] = shaped(field, inner);
    }
  }
  return next;
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

/** What speaks against each field, by the id of its input; of several the first. */
export function describedBy(findings: readonly Finding[]): ReadonlyMap<string, Finding> {
  const byId = new Map<string, Finding>();
  for (const finding of [...findings].reverse()) {
    if (finding.field && finding.level !== 'note') {
      byId.set(fieldId(finding.field), finding);
    }
  }
  return byId;
}
