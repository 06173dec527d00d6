// The body of the submit dialog for any place: its fields, what it waits for, refusals.
import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../api';
import { SubmitView } from '../view';
import { props, values } from './viewprops';

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
