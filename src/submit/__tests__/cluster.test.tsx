// The submit dialog for a cluster: the choice of it, its fields, findings that lead to them, the YAML.
import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Form } from '../../api';
import { SubmitView } from '../view';
import type { ISubmitViewProps } from '../view';
import { form, preflight, props, values } from './viewprops';

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

  it('says of a job on this machine what ends it, and nothing of the kind on a cluster', () => {
    const fate = /not longer than the machine or container/;
    const { rerender } = render(<SubmitView {...clusterProps({ backend: backend('local') })} />);
    expect(screen.getByText(fate)).toBeTruthy();
    rerender(
      <SubmitView {...props({ backends: [backend('local')], backend: backend('local') })} />
    );
    expect(screen.getByText(fate)).toBeTruthy();
    rerender(<SubmitView {...clusterProps()} />);
    expect(screen.queryByText(fate)).toBeNull();
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
