// What the tests of the submit dialog show in it.
import { nullTranslator } from '@jupyterlab/translation';
import { vi } from 'vitest';

import { backend, trans } from '../../__tests__/fakes';
import type { Form, Preflight } from '../../api';
import type { ISubmitViewProps } from '../view';

/** As the server describes a notebook for this machine. */
export const form: Form = {
  form_schema: {
    type: 'object',
    properties: {
      name: { type: 'string', title: 'Name' },
      notebook: { type: 'string', title: 'Notebook' },
      workers: { type: 'integer', title: 'Workers', default: 1 },
      parameters: {
        type: 'object',
        title: 'Parameters',
        properties: { lr: { type: 'number', title: 'lr', description: 'learning rate' } },
        additionalProperties: false
      },
      env: {
        type: 'object',
        title: 'Environment variables',
        additionalProperties: { type: 'string' }
      },
      files: { type: 'array', title: 'Files', items: { type: 'string' } },
      mlflow: { type: 'boolean', title: 'Record', default: true }
    },
    required: ['name']
  },
  ui_schema: { notebook: { 'ui:widget': 'hidden' } },
  values: {},
  parameters: [],
  findings: []
};
export const values = {
  name: 'a',
  notebook: 'a.ipynb',
  workers: 1,
  parameters: { lr: 0.1 },
  env: {},
  files: [],
  mlflow: true
};
export const preflight: Preflight = {
  ok: false,
  starts_now: null,
  summary: '1 process of 2 cores',
  uses: [{ label: 'Workers', text: '1 process on this machine' }],
  findings: [
    { level: 'error', code: 'no_gpu', text: 'No GPUs here.', hint: 'Ask for 0.', field: null }
  ],
  bundle_bytes: null,
  files: []
};

/** A dialog that was just opened on them. */
export function props(fields: Partial<ISubmitViewProps> = {}): ISubmitViewProps {
  return {
    backends: [backend('local')],
    backend: backend('local'),
    form,
    values,
    preflight,
    mistakes: [],
    own: [],
    last: [],
    lastBackend: undefined,
    refusal: null,
    preview: null,
    error: null,
    isSubmitting: false,
    onChange: vi.fn(),
    onSet: vi.fn(),
    onUseLast: vi.fn(),
    onRetry: vi.fn(),
    onChoose: vi.fn(),
    onLook: vi.fn(),
    onCopy: vi.fn(),
    translator: nullTranslator,
    trans,
    ...fields
  };
}
