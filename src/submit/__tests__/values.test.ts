import { describe, expect, it } from 'vitest';

import { cluster } from '../../__tests__/fakes';
import type { Form, JobSpec } from '../../api';
import { carried, titleOf, toSpec, toValues } from '../values';

const form: Form = {
  form_schema: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      notebook: { type: 'string' },
      workers: { type: 'integer' },
      parameters: {
        type: 'object',
        properties: {
          lr: { type: 'number' },
          layers: { type: 'string' },
          path: { type: 'string' },
          init: { type: 'string' }
        }
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
    { name: 'path', default: null, literal: false, source: 'home()', help: null },
    { name: 'init', default: null, literal: true, source: 'None', help: null }
  ],
  findings: []
};

const filled = { name: 'train', notebook: 'train.ipynb', workers: 1, env: {} };

describe('what is filled in', () => {
  it('is what the notebook says', () => {
    expect(toValues(form).parameters).toEqual({ lr: 0.1, layers: '[8, 8]', path: '', init: '' });
  });

  it('takes the values of an earlier job on top, and those of parameters that are still there', () => {
    const spec = {
      workers: 4,
      time_limit_s: 7200,
      ranks_per_worker: null,
      mlflow: true,
      parameters: { lr: 0.5, layers: [1], gone: 3, path: '12', init: '/data' }
    } as unknown as JobSpec;
    expect(toValues(form, spec)).toEqual({
      ...filled,
      workers: 4,
      time_limit_s: '2h',
      parameters: { lr: 0.5, layers: '[1]', path: '"12"', init: '/data' }
    });
  });

  it('writes a list as JSON where the notebook writes it otherwise', () => {
    const [lr, layers, ...rest] = form.parameters;
    const other = { ...form, parameters: [lr, { ...layers, source: '(8, 8)' }, ...rest] };
    expect(toValues(other).parameters).toMatchObject({ layers: '[8,8]' });
  });
});

describe('what is sent', () => {
  it('leaves out empty fields and parameters as the notebook has them', () => {
    const values = { ...filled, time_limit_s: ' ', parameters: toValues(form).parameters! };
    expect(toSpec(values, form)).toEqual({ ...filled, parameters: {} });
  });

  it('reads compound parameters from JSON, and takes plain text where the notebook computes or has None', () => {
    const parameters = { lr: 0, layers: '[4, 2]', path: '/data/x', init: 'zeros' };
    expect(toSpec({ ...filled, parameters }, form).parameters).toEqual({
      lr: 0,
      layers: [4, 2],
      path: '/data/x',
      init: 'zeros'
    });
    expect(
      toSpec({ ...filled, parameters: { layers: 'null', path: '12' } }, form).parameters
    ).toEqual({ layers: null, path: 12 });
  });

  it('gives back what was filled in, whatever the values of the earlier job were', () => {
    const given = { lr: 2, layers: { a: [1] }, path: 'true', init: 'null' };
    const values = toValues(form, { parameters: given } as Partial<JobSpec>);
    expect(toSpec(values, form).parameters).toEqual(given);
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
      keep_s: '1h',
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
    expect(toSpec({ ...filled, cluster: typed }, clusterForm).cluster).toEqual({
      image: 'a',
      labels: { team: '' },
      image_pull_secrets: ['registry'],
      volumes: [{ path: '/data' }],
      network: { allow: [] }
    });
    expect(toSpec({ ...filled, cluster: typed }, form)).not.toHaveProperty('cluster');
  });
});

describe('what a field is called', () => {
  it('is what the form calls it, items of lists by their number', () => {
    expect(titleOf('cluster.volumes.1.path', clusterForm)).toBe('Cluster, Volumes, 2, Path');
    expect(titleOf('odd', clusterForm)).toBe('odd');
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
