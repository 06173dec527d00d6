import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { Form } from '../../api';
import { mistakesOf } from '../mistakes';

const form: Form = {
  form_schema: {
    properties: {
      name: { type: 'string' },
      workers: { type: 'integer', minimum: 1, maximum: 1024, default: 1 },
      ranks_per_worker: { type: 'integer', minimum: 1, maximum: 64 },
      time_limit_s: { type: 'string', pattern: '^([0-9]+[smhd])?$' },
      parameters: {
        properties: {
          lr: { type: 'number' },
          epochs: { type: 'integer' },
          optimizer: { type: 'string' },
          layers: { type: 'string' },
          init: { type: 'string' }
        }
      },
      cluster: {
        properties: {
          retries: { type: 'integer', minimum: 0, default: 0 },
          gpu_resource: { type: 'string', default: 'nvidia.com/gpu' },
          volumes: { items: { properties: { size: { type: 'integer', minimum: 1, default: 1 } } } }
        }
      }
    },
    required: ['name']
  },
  ui_schema: { time_limit_s: { 'ui:options': { mistake: 'a duration, for example 2h' } } },
  values: {},
  parameters: [
    { name: 'lr', default: 0.1, literal: true, source: '1e-1', help: null },
    { name: 'epochs', default: 3, literal: true, source: '3', help: null },
    { name: 'optimizer', default: 'adam', literal: true, source: "'adam'", help: null },
    { name: 'layers', default: [8], literal: true, source: '[8]', help: null },
    { name: 'init', default: null, literal: true, source: 'None', help: null }
  ],
  findings: []
};
const parameters = { lr: 0.1, epochs: 3, optimizer: 'adam', layers: '[8]', init: '' };
const good = { name: 'a', workers: 1, parameters };

const ROUNDED = 'a whole number of at most 9,007,199,254,740,991: a browser rounds larger ones';
const BOUNDLESS = 'a number below 1.8e308: a browser knows no larger ones';

describe('what is wrong with what is typed', () => {
  it('is nothing where all is well, also where fields may be empty', () => {
    const cluster = { gpu_resource: 'x', retries: 0 };
    const typed = { ...good, cluster, ranks_per_worker: '', time_limit_s: '' };
    expect(mistakesOf(typed, form, trans)).toEqual([]);
  });

  it.each([
    [{ workers: '' }, 'workers', 'a number, at least 1'],
    [{ workers: undefined }, 'workers', 'a number, at least 1'],
    [{ workers: 0 }, 'workers', 'at least 1'],
    [{ workers: 5000 }, 'workers', 'at most 1,024'],
    [{ workers: 1.5 }, 'workers', 'a whole number, for example 1'],
    [{ workers: 'two' }, 'workers', 'a whole number, for example 1'],
    [{ ranks_per_worker: 'x' }, 'ranks_per_worker', 'a whole number, for example 1'],
    [{ time_limit_s: '2 weeks' }, 'time_limit_s', 'a duration, for example 2h'],
    [{ name: ' ' }, 'name', 'it is empty'],
    [{ parameters: { ...parameters, lr: '' } }, 'parameters.lr', 'a number'],
    [{ parameters: { ...parameters, lr: '0,1' } }, 'parameters.lr', 'a number'],
    [
      { parameters: { ...parameters, layers: '[8' } },
      'parameters.layers',
      'JSON, for example [1, 2], {"a": 1} or "text"'
    ],
    [
      { parameters: { ...parameters, layers: '' } },
      'parameters.layers',
      'JSON, for example [1, 2], {"a": 1} or "text"'
    ],
    [
      { parameters: { ...parameters, epochs: Number('12345678901234567890') } },
      'parameters.epochs',
      ROUNDED
    ],
    [
      { parameters: { ...parameters, layers: '[1, 12345678901234567890]' } },
      'parameters.layers',
      ROUNDED
    ],
    [{ parameters: { ...parameters, init: '-12345678901234567890' } }, 'parameters.init', ROUNDED],
    [{ parameters: { ...parameters, lr: Number('1e999') } }, 'parameters.lr', BOUNDLESS],
    [{ parameters: { ...parameters, layers: '[1e999]' } }, 'parameters.layers', BOUNDLESS],
    [{ cluster: { gpu_resource: '', retries: 0 } }, 'cluster.gpu_resource', 'it is empty'],
    [
      { cluster: { gpu_resource: 'x', retries: 0, volumes: [{ size: 1 }, { size: 0 }] } },
      'cluster.volumes.1.size',
      'at least 1'
    ]
  ])('%j stands at its field, in our words', (typed, field, text) => {
    const cluster = { gpu_resource: 'x', retries: 0 };
    const values = { ...good, cluster, ...typed } as never;
    expect(mistakesOf(values, form, trans)).toEqual([
      { level: 'error', code: 'mistake', text, hint: null, field }
    ]);
  });

  it("is not a large number that is a text, has a fraction, or is the notebook's own", () => {
    const own = {
      name: 'seed',
      default: Number('12345678901234567890'),
      literal: true,
      help: null
    };
    const large = {
      ...form,
      form_schema: {
        properties: {
          parameters: { properties: { lr: { type: 'number' }, seed: { type: 'integer' } } }
        }
      },
      parameters: [...form.parameters, { ...own, source: '12345678901234567890' }]
    };
    const typed = {
      ...parameters,
      lr: 1e20,
      layers: '["12345678901234567890", 1.5e300, 0.12345678901234567890]',
      seed: own.default
    };
    expect(mistakesOf({ parameters: typed }, large as Form, trans)).toEqual([]);
  });

  it('comes in the order of the form', () => {
    const typed = { name: '', workers: 0, parameters: { ...parameters, lr: 'x' }, cluster: {} };
    const fields = mistakesOf(typed, form, trans).map(({ field }) => field);
    expect(fields.slice(0, 4)).toEqual(['name', 'workers', 'parameters.lr', 'cluster.retries']);
  });

  it('is not what only the notebook knows: a fraction for a whole number, an empty text', () => {
    const typed = { ...parameters, epochs: 0.5, optimizer: '', init: 'zeros' };
    const cluster = { gpu_resource: 'x', retries: 0 };
    expect(mistakesOf({ ...good, cluster, parameters: typed }, form, trans)).toEqual([]);
  });
});
