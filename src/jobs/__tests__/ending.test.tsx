import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { cluster, job, trans } from '../../__tests__/fakes';
import type { JobStatus } from '../../api';
import { checkpointsOf, deletionText, StopChoices } from '../ending';

const status = (claim: string | null) =>
  ({ spec: { cluster: cluster({ checkpoints: claim }) } }) as unknown as JobStatus;

describe('the ways to end a job', () => {
  it('say how long it has, and what each keeps and loses, checkpoints too', () => {
    const props = { checkpoints: { kind: 'folder' }, canDelete: true, trans } as const;
    render(<StopChoices job={job('a', { grace_period_s: 90 })} {...props} />);
    expect(screen.getByText(/have 1 min 30 s for it/)).toBeTruthy();
    const [stop, remove] = screen.getAllByRole('definition').map(each => each.textContent);
    expect(stop).toMatch(/^Keeps the notebook so far.*Checkpoints stay in its folder.*is lost/);
    expect(remove).toMatch(/stopped first.*checkpoints in its folder.*MLflow run and your own/);
  });

  it('do not name a time that is not known, nor what may not be done', () => {
    const props = { checkpoints: { kind: 'pods' }, canDelete: false, trans } as const;
    render(<StopChoices job={job('a', { grace_period_s: null })} {...props} />);
    expect(screen.getByText(/and killed when they do not/)).toBeTruthy();
    expect(screen.getAllByRole('definition')).toHaveLength(1);
    expect(document.body.textContent).toContain('Checkpoints are lost');
  });

  it('know where checkpoints are: in the folder, on a volume, or in pods that go', () => {
    expect(checkpointsOf(null, false)).toEqual({ kind: 'folder' });
    expect(checkpointsOf(status('scratch'), true)).toEqual({ kind: 'volume', claim: 'scratch' });
    expect(checkpointsOf(status(null), true)).toEqual({ kind: 'pods' });
    expect(checkpointsOf(null, true)).toEqual({ kind: 'unknown' });
  });

  it('leave checkpoints on a volume when the job is deleted', () => {
    const over = job('a', { phase: 'Succeeded' });
    const words = deletionText(over, { kind: 'volume', claim: 'scratch' }, trans);
    expect(words).toContain('Checkpoints stay on the volume scratch.');
    expect(words).toContain('objects in the cluster');
    expect(words).not.toContain('stopped first');
  });
});
