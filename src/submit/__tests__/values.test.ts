import { describe, expect, it } from 'vitest';

import type { Form, JobSpec } from '../../api';
import { toOptions, toSpec, toValues } from '../values';

const form: Form = {
  form_schema: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      notebook: { type: 'string' },
      workers: { type: 'integer' },
      parameters: {
        type: 'object',
        properties: { lr: { type: 'number' }, layers: { type: 'string' }, path: { type: 'string' } }
      },
      env: { type: 'object', additionalProperties: { type: 'string' } },
      time_limit_s: { type: 'string' }
    }
  },
  ui_schema: {},
  values: { name: 'train', notebook: 'train.ipynb', workers: 1, parameters: {}, env: {} },
  parameters: [
    { name: 'lr', default: 0.1, literal: true, source: '0.1', help: null },
    { name: 'layers', default: [8, 8], literal: true, source: '[8, 8]', help: null },
    { name: 'path', default: null, literal: false, source: 'home()', help: null }
  ],
  findings: []
};

const filled = { name: 'train', notebook: 'train.ipynb', workers: 1, env: {} };

describe('what is filled in', () => {
  it('is the proposal of the server, with the values of an earlier job on top', () => {
    const spec = {
      workers: 4,
      time_limit_s: 7200,
      ranks_per_worker: null,
      mlflow: true,
      parameters: { lr: 0.5, layers: [1], gone: 3 }
    } as unknown as JobSpec;
    expect(toValues(form, spec)).toEqual({
      ...filled,
      workers: 4,
      time_limit_s: '7200s',
      parameters: { lr: 0.5, layers: '[1]' }
    });
  });
});

describe('what is sent', () => {
  it('leaves out empty fields and parameters as the notebook has them', () => {
    const values = { ...filled, time_limit_s: ' ', parameters: { lr: 0.1, layers: '', path: '' } };
    expect(toSpec(values, form)).toEqual({ spec: { ...filled, parameters: {} }, unreadable: [] });
  });

  it('reads compound parameters from JSON, and takes plain text where the notebook computes', () => {
    const values = { ...filled, parameters: { lr: 0, layers: '[4, 2]', path: '/data/x' } };
    expect(toSpec(values, form).spec.parameters).toEqual({
      lr: 0,
      layers: [4, 2],
      path: '/data/x'
    });
  });

  it('says which parameter is not JSON', () => {
    const values = { ...filled, parameters: { layers: '[4, 2' } };
    expect(toSpec(values, form).unreadable).toEqual([{ parameter: 'layers' }]);
  });
});

describe('what the notebook remembers', () => {
  it('is all but its own path and values that look secret', () => {
    const spec = {
      ...filled,
      parameters: { lr: 1, api_key: 'k', key: 3, tokenizer: 'bpe' },
      env: {
        HF_TOKEN: 'hf_x',
        AWS_SECRET_ACCESS_KEY: 'y',
        OPENAI_KEY: 'z',
        APIKEY: 'z',
        DATABASE: 'postgresql://ada:hunter2@db/x',
        DATA: 'https://data.example/ada@home:x',
        NCCL_DEBUG: 'INFO'
      }
    } as unknown as JobSpec;
    expect(toOptions(spec)).toEqual({
      name: 'train',
      workers: 1,
      parameters: { lr: 1, key: 3, tokenizer: 'bpe' },
      env: { DATA: 'https://data.example/ada@home:x', NCCL_DEBUG: 'INFO' }
    });
  });
});
