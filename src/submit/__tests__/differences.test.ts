import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { Form } from '../../api';
import { differences, inWords, withThese } from '../differences';

const form: Form = {
  form_schema: {
    properties: {
      name: {},
      notebook: {},
      workers: {},
      time_limit_s: {},
      env: {},
      parameters: { properties: { lr: {}, shuffle: {} } }
    }
  },
  ui_schema: {},
  values: {},
  parameters: [],
  findings: []
};
const own = {
  name: 'a',
  notebook: 'a',
  workers: 1,
  env: {},
  parameters: { lr: 0.1, shuffle: true }
};

describe('what differs', () => {
  it('is told field by field, in the order of the form, but for the path', () => {
    const typed = {
      ...own,
      notebook: 'b',
      workers: 4,
      parameters: { lr: 0.1, shuffle: false },
      gone: 1
    };
    expect(differences(typed, own, form)).toEqual([
      { field: 'workers', value: 1 },
      { field: 'parameters.shuffle', value: true }
    ]);
  });

  it('is not how nothing is held', () => {
    expect(differences({ ...own, time_limit_s: '', env: undefined } as never, own, form)).toEqual(
      []
    );
  });

  it('is a number as the notebook writes it', () => {
    const lr = { name: 'lr', default: 1e-4, literal: true, source: '1e-4', help: null };
    const written = { ...form, parameters: [lr] };
    const there = { ...own, parameters: { ...own.parameters, lr: 1e-4 } };
    const [found] = differences(own, there, written);
    expect([found.value, inWords(found, trans)]).toEqual([1e-4, '1e-4']);
  });

  it('is put back, also to nothing', () => {
    const typed = { ...own, time_limit_s: '2h', parameters: { lr: 0.5, shuffle: true } };
    const back = withThese(typed, differences(typed, own, form));
    expect(back).toEqual({ ...own, time_limit_s: undefined });
    expect(differences(back, own, form)).toEqual([]);
  });
});

it.each([
  [0.05, '0.05'],
  [true, 'yes'],
  [false, 'no'],
  ['', 'empty'],
  [undefined, 'empty'],
  [['a.csv', 'b'], 'a.csv, b'],
  [{ TOKEN: 'hidden' }, 'TOKEN'],
  [[{ path: '/data' }], '[{"path":"/data"}]'],
  ['x'.repeat(90), `${'x'.repeat(59)}…`]
])('a value is told in a few words: %j', (value, text) => {
  expect(inWords({ value }, trans)).toBe(text);
});
