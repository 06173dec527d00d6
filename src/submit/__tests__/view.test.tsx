// The body of the submit dialog for any place: its fields, what it waits for, refusals.
import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Finding, Form, Preflight } from '../../api';
import { SubmitView } from '../view';
import { form, preflight, props, values } from './viewprops';

function mistake(field: string, text: string): Finding {
  return { level: 'error', code: 'mistake', text, hint: null, field };
}

/** What readers hear of a field besides its name. */
function described(input: HTMLElement): string {
  const ids = (input.getAttribute('aria-describedby') ?? '').split(' ');
  return ids.map(id => document.getElementById(id)?.textContent ?? '').join(' ');
}

describe('the body of the submit dialog', () => {
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

  it('says in one sentence whether it starts, and folds the figures', () => {
    const good = { ...preflight, ok: true, starts_now: true, findings: [] };
    const { rerender } = render(<SubmitView {...props({ preflight: good })} />);
    expect(screen.getByText('Starts at once: 1 process of 2 cores.')).toBeTruthy();
    const details = screen.getByText('Details').closest('details')!;
    expect(details.open).toBe(false);
    expect(details.textContent).toContain('1 process on this machine');
    rerender(<SubmitView {...props({ preflight: { ...good, starts_now: false } })} />);
    expect(screen.getByText('Waits in the queue first: 1 process of 2 cores.')).toBeTruthy();
    rerender(<SubmitView {...props({ preflight: { ...good, starts_now: null } })} />);
    expect(screen.getByText(/whether it starts at once is not known: 1 process/)).toBeTruthy();
  });

  it('says what speaks against the job as a whole', () => {
    render(<SubmitView {...props()} />);
    expect(screen.getByText('Cannot start like this.')).toBeTruthy();
    expect(screen.getByText('No GPUs here.', { exact: false }).closest('li')?.textContent).toBe(
      'Error No GPUs here. Ask for 0.'
    );
  });

  it('puts each mistake below its field, and goes there', () => {
    const mistakes = [
      mistake('workers', 'at least 1'),
      mistake('parameters.lr', 'a number'),
      mistake('env.A', 'text'),
      mistake('files.0', 'it is empty')
    ];
    render(
      <SubmitView {...props({ mistakes, preflight: null, values: { ...values, files: [''] } })} />
    );
    expect(described(screen.getByLabelText('Workers'))).toContain('at least 1');
    expect(described(screen.getByLabelText('lr'))).toContain('a number');
    const file = screen.getByLabelText('Files, 1');
    expect(described(file)).toContain('it is empty');
    expect(screen.getByRole('group', { name: 'Environment variables' }).textContent).toContain(
      'A: text'
    );
    expect(document.querySelector('details')?.open).toBe(true);
    expect(document.body.textContent).not.toMatch(/files-\d/);
    fireEvent.click(screen.getByRole('button', { name: 'Go to the field Parameters, lr' }));
    expect(screen.getByLabelText('lr')).toBe(document.activeElement);
  });

  it('puts what the preflight says of a field below that field', () => {
    const finding = { level: 'warning', code: 'crowded', text: '9 share 2.', hint: 'Ask for 8.' };
    const findings = [{ ...finding, field: 'workers' }] as Preflight['findings'];
    render(<SubmitView {...props({ preflight: { ...preflight, ok: true, findings } })} />);
    expect(described(screen.getByLabelText('Workers'))).toContain('9 share 2. Ask for 8.');
    expect(screen.getByRole('button', { name: 'Go to the field Workers' })).toBeTruthy();
    expect(screen.queryByRole('listitem')).toBeNull();
  });

  it('keeps a number as it is typed, and an emptied one empty', () => {
    const given = props();
    const { rerender } = render(<SubmitView {...given} />);
    const type = (text: string): unknown => {
      fireEvent.change(screen.getByLabelText('lr'), { target: { value: text } });
      const typed = vi.mocked(given.onChange).mock.lastCall?.[0] as typeof values;
      rerender(<SubmitView {...given} values={typed} />);
      expect((screen.getByLabelText('lr') as HTMLInputElement).value).toBe(text);
      return typed.parameters.lr;
    };
    expect(['0', '0.', '0.0', '0.05', '1e', '1e-4', '', 'x'].map(type)).toEqual([
      0,
      0,
      0,
      0.05,
      '1e',
      1e-4,
      '',
      'x'
    ]);
  });

  it('shows a number as the notebook writes it', () => {
    const parameters = [{ name: 'lr', default: 1e-4, literal: true, source: '1e-4', help: null }];
    const schema = { ...form.form_schema } as { properties: Record<string, object> };
    const lr = { type: 'number', title: 'lr', default: 1e-4 };
    schema.properties = {
      ...schema.properties,
      parameters: { type: 'object', properties: { lr } }
    };
    const given = { form: { ...form, form_schema: schema, parameters } };
    render(
      <SubmitView {...props({ ...given, values: { ...values, parameters: { lr: 1e-4 } } })} />
    );
    expect((screen.getByLabelText('lr') as HTMLInputElement).value).toBe('1e-4');
  });

  it('changes a whole number by the arrow keys, within its limits', () => {
    const given = props();
    render(<SubmitView {...given} />);
    fireEvent.keyDown(screen.getByLabelText('Workers'), { key: 'ArrowUp' });
    expect(given.onChange).toHaveBeenLastCalledWith({ ...values, workers: 2 });
  });

  it('marks what differs from the notebook, and offers it and what was used last', () => {
    const own = [{ field: 'parameters.lr', value: 0.5 }];
    const last = [
      { field: 'parameters.lr', value: 0.05 },
      { field: 'mlflow', value: false },
      { field: 'files', value: ['a.csv'] }
    ];
    const given = props({ own, last });
    render(<SubmitView {...given} />);
    expect(screen.getByText('notebook: 0.5')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Put lr back to 0.5' }));
    expect(given.onSet).toHaveBeenLastCalledWith(own[0]);
    fireEvent.click(screen.getByRole('button', { name: 'Use 0.05 for lr' }));
    expect(given.onSet).toHaveBeenLastCalledWith(last[0]);
    expect(screen.getByRole('button', { name: 'Use a.csv for Files', hidden: true })).toBeTruthy();
    expect(screen.getByText('Last used: lr 0.05 · Record no · Files a.csv')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Use all of it' }));
    expect(given.onUseLast).toHaveBeenCalledOnce();
  });

  it('keeps the keyboard in the form when the button that was pressed is gone', () => {
    const last = [{ field: 'parameters.lr', value: 0.05 }];
    const given = props({ last });
    const { rerender } = render(<SubmitView {...given} />);
    screen.getByRole('button', { name: 'Use 0.05 for lr' }).focus();
    rerender(<SubmitView {...given} last={[]} own={[{ field: 'parameters.lr', value: 0.1 }]} />);
    expect(document.activeElement).toBe(screen.getByLabelText('lr', { selector: 'input' }));
    rerender(<SubmitView {...given} />);
    screen.getByRole('button', { name: 'Use all of it' }).focus();
    rerender(<SubmitView {...given} last={[]} />);
    expect(document.activeElement).toBe(screen.getByLabelText('Name *'));
  });

  it('says where it ran the last time, and stays where jobs go', () => {
    const backends = [backend('local'), backend('prod')];
    render(<SubmitView {...props({ backends, lastBackend: 'prod' })} />);
    expect(screen.getByRole('radio', { name: /^This machine/ })).toHaveProperty('checked', true);
    expect(screen.getByText('last used').closest('label')?.textContent).toContain('prod');
    expect(screen.getByText('Last used: prod')).toBeTruthy();
  });

  it('says how to have parameters where the notebook has none', () => {
    const text = 'This notebook has no cell tagged `parameters`.';
    const finding = { level: 'note', code: 'no_parameters', text, hint: null, field: 'parameters' };
    const schema = { ...form.form_schema } as { properties: Record<string, object> };
    const parameters = { type: 'object', title: 'Parameters', properties: {} };
    schema.properties = { ...schema.properties, parameters };
    const bare = { ...form, form_schema: schema, findings: [finding] } as Form;
    render(
      <SubmitView {...props({ form: bare, values: { ...values, parameters: {} } as never })} />
    );
    expect(screen.getByRole('group', { name: 'Parameters' }).textContent).toContain(text);
    expect(screen.getAllByText(text)).toHaveLength(1);
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

  it('leaves what the server says of fields to the fields, unless one is not in the form', () => {
    const body = { code: 'bad_input', title: 'No', detail: 'workers: at least 1.', hint: '' };
    const error = (fields: object): ApiError => new ApiError({ ...body, fields } as never, 400);
    const mistakes = [mistake('workers', 'at least 1')];
    const given = props({ preflight: null, mistakes, error: error({ workers: 'at least 1' }) });
    const { rerender } = render(<SubmitView {...given} />);
    expect(screen.queryByRole('alert')).toBeNull();
    rerender(<SubmitView {...given} error={error({ notebook: 'too long' })} />);
    expect(screen.getByRole('alert').textContent).toContain('workers: at least 1.');
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
