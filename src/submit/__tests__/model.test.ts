import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { job, trans } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Form, JobSpec, JobStatus, Preflight } from '../../api';
import { SubmitModel } from '../model';

const form: Form = {
  form_schema: { properties: { name: {}, notebook: {}, workers: {}, parameters: {} } },
  ui_schema: {},
  values: { name: 'a', notebook: 'a.ipynb', workers: 1, parameters: {} },
  parameters: [{ name: 'layers', default: [8], literal: true, source: '[8]', help: null }],
  findings: []
};
const good: Preflight = {
  ok: true,
  starts_now: true,
  uses: [],
  findings: [],
  bundle_bytes: null,
  files: []
};
const refusal = new ApiError({ code: 'full', title: 'Full', detail: 'No room.', hint: '' }, 409);

describe('the submit dialog', () => {
  const api = {
    form: vi.fn<(path: string) => Promise<Form>>(),
    preflight: vi.fn<(spec: unknown, signal?: AbortSignal) => Promise<Preflight>>(),
    submit: vi.fn<(spec: unknown, id: string) => Promise<JobStatus>>()
  };
  let model: SubmitModel;

  beforeEach(() => {
    vi.useFakeTimers();
    api.form.mockReset().mockResolvedValue(form);
    api.preflight.mockReset().mockResolvedValue(good);
    api.submit.mockReset().mockResolvedValue(job('a') as JobStatus);
    model = new SubmitModel({ api, trans, path: 'a.ipynb' });
  });

  afterEach(() => {
    model.dispose();
    vi.useRealTimers();
  });

  it('can submit only what a preflight has found good', async () => {
    expect(model.canSubmit).toBe(false);
    await model.load();
    expect(api.form).toHaveBeenCalledWith('a.ipynb');
    expect(model.canSubmit).toBe(true);
    model.edit({ ...model.values, workers: 2 });
    expect(model.canSubmit).toBe(false);
    await vi.advanceTimersByTimeAsync(400);
    expect(model.canSubmit).toBe(true);
    expect(api.preflight.mock.lastCall?.[0]).toMatchObject({ workers: 2 });
  });

  it('asks once when typing rests, not at every key', async () => {
    await model.load();
    for (const workers of [2, 3, 4]) {
      model.edit({ ...model.values, workers });
      await vi.advanceTimersByTimeAsync(300);
    }
    await vi.advanceTimersByTimeAsync(400);
    expect(api.preflight).toHaveBeenCalledTimes(2);
  });

  it('forgets an answer about values that are no longer there', async () => {
    await model.load();
    let answerLate: (preflight: Preflight) => void = () => undefined;
    api.preflight.mockReturnValueOnce(new Promise(resolve => (answerLate = resolve)));
    model.edit({ ...model.values, workers: 2 });
    await vi.advanceTimersByTimeAsync(400);
    model.edit({ ...model.values, workers: 99 });
    answerLate(good);
    await vi.advanceTimersByTimeAsync(0);
    expect(model.canSubmit).toBe(false);
    expect(api.preflight.mock.lastCall?.[1]?.aborted).toBe(true);
  });

  it('cannot submit what a preflight found bad', async () => {
    api.preflight.mockResolvedValue({ ...good, ok: false });
    await model.load();
    expect(await model.submit()).toBeNull();
    expect(api.submit).not.toHaveBeenCalled();
  });

  it('keeps what was typed when the server refuses, and tries again under the same id', async () => {
    await model.load();
    model.edit({ ...model.values, name: 'mine' });
    await vi.advanceTimersByTimeAsync(400);
    api.submit.mockRejectedValueOnce(refusal);
    expect(await model.submit()).toBeNull();
    expect(model.error).toBe(refusal);
    expect(model.values).toMatchObject({ name: 'mine' });
    expect(model.canSubmit).toBe(true);
    expect(await model.submit()).toMatchObject({ id: 'a' });
    const ids = api.submit.mock.calls.map(([, id]) => id);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).toMatch(/^[A-Za-z0-9-]{8,64}$/);
  });

  it('submits once, however often it is asked to', async () => {
    await model.load();
    await Promise.all([model.submit(), model.submit()]);
    expect(api.submit).toHaveBeenCalledOnce();
  });

  it('shows what a failed preflight said and keeps the values', async () => {
    await model.load();
    api.preflight.mockRejectedValueOnce(refusal);
    model.edit({ ...model.values, workers: 5 });
    await vi.advanceTimersByTimeAsync(400);
    expect(model.error).toBe(refusal);
    expect(model.canSubmit).toBe(false);
    await model.check();
    expect([model.error, model.canSubmit]).toEqual([null, true]);
  });

  it('reads the form again after a failure', async () => {
    api.form.mockRejectedValueOnce(refusal);
    await model.load();
    expect([model.form, model.error]).toEqual([null, refusal]);
    await model.load();
    expect([model.form, model.error]).toEqual([form, null]);
  });

  it('asks no server about what is not JSON', async () => {
    await model.load();
    model.edit({ ...model.values, parameters: { layers: '[8' } });
    await vi.advanceTimersByTimeAsync(400);
    expect(api.preflight).toHaveBeenCalledOnce();
    expect(model.unreadable.map(({ text }) => text)).toEqual(['The value of layers is not JSON.']);
    expect(model.canSubmit).toBe(false);
  });

  it('fills in the values of an earlier job', async () => {
    const again = new SubmitModel({
      api,
      trans,
      path: 'a.ipynb',
      spec: { workers: 7 } as Partial<JobSpec>
    });
    await again.load();
    expect(again.spec).toMatchObject({ name: 'a', workers: 7 });
    again.dispose();
  });
});
