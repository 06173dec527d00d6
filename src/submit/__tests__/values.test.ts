import { describe, expect, it } from 'vitest';

import { cluster } from '../../__tests__/fakes';
import type { Form, JobSpec } from '../../api';
import { carried, inWords, toOptions, toSpec, toValues } from '../values';

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
    expect(toOptions(spec, false)).toEqual({
      name: 'train',
      workers: 1,
      parameters: { lr: 1, key: 3, tokenizer: 'bpe' },
      env: { DATA: 'https://data.example/ada@home:x', NCCL_DEBUG: 'INFO' }
    });
  });
});

/** As the server describes a cluster. */
const clusterForm: Form = {
  ...form,
  form_schema: {
    type: 'object',
    properties: {
      ...(form.form_schema.properties as object),
      cluster: {
        type: 'object',
        title: 'Cluster',
        properties: {
          image: { type: 'string', title: 'Image' },
          memory: { type: 'string' },
          keep_s: { type: 'string', default: '7d' },
          staging: { type: 'string' },
          affinity: { type: 'string' },
          retries: { type: 'integer', default: 0 },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          image_pull_secrets: { type: 'array', items: { type: 'string' } },
          volumes: {
            type: 'array',
            title: 'Volumes',
            items: {
              type: 'object',
              properties: { path: { type: 'string', title: 'Path' }, claim: { type: 'string' } }
            }
          },
          network: {
            anyOf: [
              { type: 'null' },
              {
                type: 'object',
                properties: { allow: { type: 'array', items: { type: 'string' } } }
              }
            ]
          }
        }
      }
    }
  },
  values: { ...form.values, cluster: { image: 'default:1', keep_s: '7d' } }
};

describe('what a cluster is asked', () => {
  it('is filled in as text where the form has a text field', () => {
    const spec = {
      cluster: cluster({
        staging: ['dvc', 'pull', "it's here"],
        affinity: { nodeAffinity: {} },
        keep_s: 3600,
        network: { allow: [] }
      })
    };
    expect(toValues(clusterForm, spec).cluster).toEqual({
      image: 'default:1',
      staging: `dvc pull 'it'"'"'s here'`,
      affinity: '{"nodeAffinity":{}}',
      keep_s: '3600s',
      retries: 0,
      labels: {},
      image_pull_secrets: [],
      volumes: [],
      network: { allow: [] }
    });
  });

  it('is not filled in where the form asks nothing of it', () => {
    expect(toValues(form, { cluster: cluster({ image: 'a' }) })).not.toHaveProperty('cluster');
  });

  it('is sent without empty fields, but with labels that have no value and an empty network', () => {
    const typed = {
      image: 'a',
      memory: ' ',
      labels: { team: '' },
      image_pull_secrets: ['', 'registry'],
      volumes: [{ path: '/data', claim: '' }],
      network: { allow: [] }
    };
    expect(toSpec({ ...filled, cluster: typed }, clusterForm).spec.cluster).toEqual({
      image: 'a',
      labels: { team: '' },
      image_pull_secrets: ['registry'],
      volumes: [{ path: '/data' }],
      network: { allow: [] }
    });
    expect(toSpec({ ...filled, cluster: typed }, form).spec).not.toHaveProperty('cluster');
  });

  it('is remembered without secrets, and not forgotten by a job on this machine', () => {
    const spec = {
      name: 'a',
      notebook: 'a.ipynb',
      cluster: cluster({
        image: 'a',
        staging: ['fetch', '--token', 'hunter2'],
        annotations: { note: 'x', 'api-token': 'y' }
      })
    } as unknown as JobSpec;
    const options = toOptions(spec, true);
    expect(options.cluster).toMatchObject({ image: 'a', annotations: { note: 'x' } });
    expect(JSON.stringify(options)).not.toContain('hunter2');
    expect(options.cluster).not.toHaveProperty('volumes');
    const bare = { ...spec, cluster: cluster() };
    expect(toOptions(bare, false, options).cluster).toEqual(options.cluster);
    expect(toOptions(bare, false)).not.toHaveProperty('cluster');
  });

  it('is named in a refusal as the form names it', () => {
    const detail = 'spec.cluster.volumes.1.path: No. spec.cluster.image is missing. spec.odd: No.';
    expect(inWords(detail, clusterForm)).toBe(
      'Cluster, Volumes, 2, Path: No. Cluster, Image is missing. odd: No.'
    );
  });
});

describe('what is typed, in the form of another place', () => {
  const here = { name: 'a', workers: 1, parameters: { lr: 0.1 } };

  it('stays, while proposals follow the place and what is not asked is kept for the way back', () => {
    const there = { ...here, cluster: { image: 'there:1', cpu: '1' } };
    const elsewhere = { ...here, cluster: { image: 'elsewhere:1', cpu: '1' } };
    const typed = { ...there, workers: 4, cluster: { image: 'there:1', cpu: '8', queue: 'q' } };
    const moved = carried(typed, there, elsewhere);
    expect(moved).toEqual({
      ...here,
      workers: 4,
      cluster: { image: 'elsewhere:1', cpu: '8', queue: 'q' }
    });
    const local = carried(moved, elsewhere, here);
    expect(local).toEqual(moved);
    expect(carried(local, here, there)).toEqual(moved);
  });

  it('stays empty where it was emptied', () => {
    expect(carried({ name: 'a', limit: '' }, { name: 'a', limit: '2h' }, { limit: '2h' })).toEqual({
      name: 'a',
      limit: ''
    });
  });
});
