import { nullTranslator } from '@jupyterlab/translation';
import { fireEvent, render, screen } from '@testing-library/react';
import { beforeAll, describe, expect, it, vi } from 'vitest';

import { backend, trans } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Form, Preflight } from '../../api';
import { SubmitView } from '../view';
import type { ISubmitViewProps } from '../view';

const form: Form = {
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
const values = {
  name: 'a',
  notebook: 'a.ipynb',
  workers: 1,
  parameters: { lr: 0.1 },
  env: {},
  files: [],
  mlflow: true
};
const preflight: Preflight = {
  ok: false,
  starts_now: false,
  uses: [{ label: 'Workers', text: '1 process on this machine' }],
  findings: [
    { level: 'error', code: 'no_gpu', text: 'No GPUs here.', hint: 'Ask for 0.', field: 'gpus' }
  ],
  bundle_bytes: null,
  files: []
};

function props(fields: Partial<ISubmitViewProps> = {}): ISubmitViewProps {
  return {
    backends: [backend('local')],
    backend: backend('local'),
    form,
    values,
    preflight,
    unreadable: [],
    refusal: null,
    preview: null,
    error: null,
    isSubmitting: false,
    onChange: vi.fn(),
    onRetry: vi.fn(),
    onChoose: vi.fn(),
    onLook: vi.fn(),
    onCopy: vi.fn(),
    translator: nullTranslator,
    trans,
    ...fields
  };
}

describe('the body of the submit dialog', () => {
  beforeAll(() => {
    // what the design system of the toolbar asks of a browser, and jsdom lacks
    globalThis.CSSStyleSheet.prototype.replaceSync ??= () => undefined;
  });

  it('gives every field a name that readers know, and hides the path', () => {
    render(<SubmitView {...props()} />);
    expect(screen.getByLabelText('Name *')).toBe(document.activeElement);
    expect(screen.getByLabelText('Workers')).toBeTruthy();
    expect(screen.getByLabelText('lr')).toBeTruthy();
    expect(screen.getByLabelText('Record')).toBeTruthy();
    expect(screen.queryByLabelText('Notebook')).toBeNull();
  });

  it('hands on what is typed', () => {
    const given = props();
    render(<SubmitView {...given} />);
    fireEvent.change(screen.getByLabelText('Workers'), { target: { value: '4' } });
    expect(given.onChange).toHaveBeenLastCalledWith({ ...values, workers: 4 });
  });

  it('takes environment variables in pairs, and none without a name', () => {
    const given = props();
    render(<SubmitView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Add a variable', hidden: true }));
    expect(screen.getByLabelText('Name of variable 1')).toBe(document.activeElement);
    fireEvent.change(screen.getByLabelText('Value of variable 1'), { target: { value: 'INFO' } });
    expect(given.onChange).not.toHaveBeenCalledWith(
      expect.objectContaining({ env: { '': 'INFO' } })
    );
    fireEvent.change(screen.getByLabelText('Name of variable 1'), { target: { value: 'DEBUG' } });
    expect(given.onChange).toHaveBeenLastCalledWith({ ...values, env: { DEBUG: 'INFO' } });
  });

  it('keeps rare options folded until they hold something', () => {
    const { unmount } = render(<SubmitView {...props()} />);
    expect(document.querySelector('details')?.open).toBe(false);
    unmount();
    render(<SubmitView {...props({ values: { ...values, env: { A: '1' } } })} />);
    expect(document.querySelector('details')?.open).toBe(true);
  });

  it('says what the job will use and what speaks against it', () => {
    render(<SubmitView {...props()} />);
    expect(screen.getByText('1 process on this machine')).toBeTruthy();
    expect(screen.getByText('waits in the queue first')).toBeTruthy();
    expect(screen.getByText('No GPUs here.', { exact: false }).textContent).toBe(
      'Error No GPUs here. Ask for 0.'
    );
  });

  it('says what it waits for', () => {
    const { rerender } = render(<SubmitView {...props({ form: null, preflight: null })} />);
    expect(screen.getByText('Reading the notebook.')).toBeTruthy();
    rerender(<SubmitView {...props({ preflight: null })} />);
    expect(screen.getByText('Checking what this will use.')).toBeTruthy();
  });

  it('shows a refusal beside the values, and no second button for the same thing', () => {
    const error = new ApiError({ code: 'x', title: 'No room', detail: 'Full.', hint: '' }, 409);
    render(<SubmitView {...props({ error })} />);
    expect(screen.getByRole('alert').textContent).toContain('No room');
    expect(screen.queryByRole('button', { name: 'Retry' })).toBeNull();
    expect((screen.getByLabelText('Name *') as HTMLInputElement).value).toBe('a');
  });

  it('names a field that the server refuses as the form does, and offers no retry of the same', () => {
    const error = new ApiError(
      {
        code: 'bad_input',
        title: 'No',
        detail: 'spec.workers: Too few. spec.parameters.lr: No.',
        hint: ''
      },
      400
    );
    render(<SubmitView {...props({ preflight: null, error })} />);
    expect(screen.getByRole('alert').textContent).toBe('NoWorkers: Too few. Parameters, lr: No.');
    expect(screen.queryByRole('button', { name: 'Retry' })).toBeNull();
  });

  it('offers to read the form again when it could not be read', () => {
    const error = new ApiError({ code: 'x', title: 'Gone', detail: 'Away.', hint: '' }, 404);
    const given = props({ form: null, preflight: null, error });
    render(<SubmitView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(given.onRetry).toHaveBeenCalledOnce();
  });
});

/** As the server describes a cluster, with a field of each shape. */
const clusterForm: Form = {
  ...form,
  form_schema: {
    ...form.form_schema,
    properties: {
      ...(form.form_schema.properties as object),
      cluster: {
        type: 'object',
        title: 'Cluster',
        properties: {
          image: { type: 'string', title: 'Image', description: 'Has Python.' },
          queue: { type: 'string', title: 'Queue' },
          spot: {
            type: 'string',
            title: 'Spot nodes',
            enum: ['allowed', 'required']
          },
          node_selector: {
            type: 'object',
            title: 'Node labels',
            additionalProperties: { type: 'string' }
          },
          volumes: {
            type: 'array',
            title: 'Volumes',
            items: {
              type: 'object',
              properties: {
                path: { type: 'string', title: 'Path' },
                read_only: { type: 'boolean', title: 'Read only', default: false }
              }
            }
          },
          network: {
            title: 'Keep the job to itself',
            description: 'Nothing else.',
            anyOf: [
              { type: 'null' },
              {
                type: 'object',
                properties: {
                  allow: { type: 'array', title: 'May also reach', items: { type: 'string' } }
                }
              }
            ]
          }
        },
        additionalProperties: false
      }
    }
  },
  ui_schema: {
    ...form.ui_schema,
    cluster: {
      spot: { 'ui:enumNames': ['May be used', 'Only these'] },
      'ui:options': {
        groups: [
          { title: null, fields: ['image', 'queue'] },
          { title: 'Nodes', fields: ['spot', 'node_selector'] },
          { title: 'Files', fields: ['volumes'] },
          { title: 'Network', fields: ['network'] }
        ]
      }
    }
  }
};
const prod = backend('prod', {
  title: 'gpu-prod',
  context: 'prod',
  namespace: 'team-a',
  why: 'It is the current context.',
  queues: ['team', 'lab']
});
const onCluster = { ...values, cluster: { image: 'a:1' } };

function clusterProps(fields: Partial<ISubmitViewProps> = {}): ISubmitViewProps {
  return props({
    form: clusterForm,
    values: onCluster,
    backends: [prod, backend('local')],
    backend: prod,
    ...fields
  });
}

describe('the dialog of a cluster', () => {
  it('offers the places with why, and hands on the choice', () => {
    const given = clusterProps();
    render(<SubmitView {...given} />);
    const group = screen.getByRole('group', { name: 'Where it runs' });
    expect(group.textContent).toContain('context prod · namespace team-a');
    expect(group.textContent).toContain('It is the current context.');
    expect(screen.getByRole<HTMLInputElement>('radio', { name: /gpu-prod/ }).checked).toBe(true);
    fireEvent.click(screen.getByRole('radio', { name: /This machine/ }));
    expect(given.onChoose).toHaveBeenCalledWith('local');
  });

  it('offers no choice where there is none', () => {
    render(<SubmitView {...props()} />);
    expect(screen.queryByRole('radio')).toBeNull();
    expect(screen.queryByText('What will be created')).toBeNull();
  });

  it('says in words what is wrong with a place', () => {
    const lost = backend('prod', {
      watch: 'refused',
      watch_why: 'Log in: run <b>aws sso login</b>.'
    });
    render(<SubmitView {...clusterProps({ backends: [lost, backend('local')], backend: lost })} />);
    expect(screen.getByText('Refused')).toBeTruthy();
    expect(screen.getByText('Log in: run <b>aws sso login</b>.')).toBeTruthy();
  });

  it('shows the frequent fields and folds the rare ones until they hold something', () => {
    const { unmount } = render(<SubmitView {...clusterProps()} />);
    expect(screen.getByLabelText('Image').closest('details')).toBeNull();
    const fold = (name: string): HTMLDetailsElement =>
      screen.getByText(name, { selector: 'summary' }).closest('details')!;
    expect(['Nodes', 'Files', 'Network'].map(name => fold(name).open)).toEqual([
      false,
      false,
      false
    ]);
    unmount();
    const cluster = { spot: 'required', volumes: [{ path: '/data' }], network: { allow: [] } };
    render(<SubmitView {...clusterProps({ values: { ...values, cluster } })} />);
    expect(['Nodes', 'Files', 'Network'].map(name => fold(name).open)).toEqual([true, true, true]);
  });

  it('offers the queues that the cluster has', () => {
    render(<SubmitView {...clusterProps()} />);
    const list = screen.getByLabelText('Queue').getAttribute('list');
    const options = [...document.getElementById(list!)!.querySelectorAll('option')];
    expect(options.map(option => option.value)).toEqual(['team', 'lab']);
  });

  it('never keeps the job to itself unasked, and does with an empty list', () => {
    const given = clusterProps();
    render(<SubmitView {...given} />);
    fireEvent.change(screen.getByLabelText('Image'), { target: { value: 'b:2' } });
    const typed = vi.mocked(given.onChange).mock.lastCall?.[0].cluster as object;
    expect(typed).toMatchObject({ image: 'b:2' });
    expect(typed).not.toHaveProperty('network', expect.anything());
    fireEvent.click(screen.getByLabelText('Keep the job to itself'));
    expect(vi.mocked(given.onChange).mock.lastCall?.[0].cluster).toMatchObject({
      network: { allow: [] }
    });
  });

  it('takes addresses that the job may reach in one line', () => {
    const cluster = { network: { allow: ['10.0.0.0/8:443'] } };
    const given = clusterProps({ values: { ...values, cluster } });
    render(<SubmitView {...given} />);
    const field = screen.getByLabelText<HTMLInputElement>('May also reach');
    expect(field.value).toBe('10.0.0.0/8:443');
    fireEvent.change(field, { target: { value: '192.0.2.7,  10.0.0.0/8 ' } });
    expect(vi.mocked(given.onChange).mock.lastCall?.[0].cluster).toMatchObject({
      network: { allow: ['192.0.2.7', '10.0.0.0/8'] }
    });
  });

  it('takes node labels in pairs and volumes one by one, each with a name for readers', () => {
    const cluster = { volumes: [{ path: '/data' }] };
    const given = clusterProps({ values: { ...values, cluster } });
    render(<SubmitView {...given} />);
    fireEvent.click(screen.getByRole('button', { name: 'Add a key', hidden: true }));
    fireEvent.change(screen.getByLabelText('Key 1'), { target: { value: 'zone' } });
    expect(vi.mocked(given.onChange).mock.lastCall?.[0].cluster).toMatchObject({
      node_selector: { zone: '' }
    });
    expect(screen.getByRole('group', { name: 'Volumes, 1' })).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Path'), { target: { value: '/models' } });
    expect(vi.mocked(given.onChange).mock.lastCall?.[0].cluster).toMatchObject({
      volumes: [{ path: '/models' }]
    });
  });

  it('leads from a finding to its field, unfolds it, and tells readers there', () => {
    const finding = { level: 'error', code: 'x', text: 'No such path.', hint: null } as const;
    const cluster = { image: 'a' };
    render(
      <SubmitView
        {...clusterProps({
          values: { ...values, cluster },
          preflight: {
            ...preflight,
            findings: [
              { ...finding, field: 'cluster.spot' },
              { ...finding, text: 'No such image.', field: 'cluster.image' }
            ]
          }
        })}
      />
    );
    fireEvent.click(screen.getByRole('button', { name: 'Go to the field Cluster, Spot nodes' }));
    const spot = screen.getByLabelText('Spot nodes');
    expect(document.activeElement).toBe(spot);
    expect([...spot.querySelectorAll('option')].map(option => option.textContent)).toEqual([
      '',
      'May be used',
      'Only these'
    ]);
    expect(spot.closest('details')?.open).toBe(true);
    const image = screen.getByLabelText('Image');
    expect(image.closest('.mlk-Field')?.getAttribute('data-level')).toBe('error');
    const described = image.getAttribute('aria-describedby')?.split(' ') ?? [];
    const words = described.map(id => document.getElementById(id)?.textContent);
    expect(words).toContain('No such image.');
  });

  it('names the right that is missing', () => {
    const refusal = {
      level: 'error',
      code: 'no_right',
      text: 'Submit jobs: not allowed on gpu-prod, “create jobs.batch” is missing.',
      hint: 'Ask for it.',
      field: null
    } as const;
    render(<SubmitView {...clusterProps({ refusal })} />);
    expect(screen.getByText(/create jobs.batch/).textContent).toContain('Ask for it.');
  });

  it('shows what will be created as text, and copies it', () => {
    const yaml = 'kind: Job\nname: <img src=x>';
    const given = clusterProps({ preview: { yaml, error: null } });
    const { rerender } = render(<SubmitView {...given} />);
    expect(screen.getByRole('region', { name: /YAML/ }).textContent).toBe(yaml);
    expect(document.querySelector('img')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Copy the YAML' }));
    expect(given.onCopy).toHaveBeenCalledWith(yaml);
    const error = new ApiError({ code: 'x', title: 'No', detail: 'Cannot.', hint: '' }, 400);
    rerender(<SubmitView {...given} preview={{ yaml: null, error }} />);
    expect(screen.getByRole('alert').textContent).toContain('Cannot.');
  });

  it('asks for what will be created only when it is unfolded', () => {
    const given = clusterProps();
    render(<SubmitView {...given} />);
    const fold = screen.getByText('What will be created').closest('details')!;
    fold.open = true;
    fireEvent(fold, new Event('toggle'));
    expect(given.onLook).toHaveBeenCalledWith(true);
  });
});
