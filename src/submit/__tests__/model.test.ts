import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { backend, job, places, trans } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Form, JobSpec, JobStatus, Preflight, Rendered } from '../../api';
import type { ILast } from '../lastused';
import { SubmitModel } from '../model';

const form: Form = {
  form_schema: {
    properties: { name: {}, notebook: {}, workers: {}, parameters: { properties: { layers: {} } } }
  },
  ui_schema: {},
  values: { name: 'a', notebook: 'a.ipynb', workers: 1, parameters: {} },
  parameters: [{ name: 'layers', default: [8], literal: true, source: '[8]', help: null }],
  findings: []
};
const good: Preflight = {
  ok: true,
  starts_now: true,
  summary: '1 process of 2 cores',
  uses: [],
  findings: [],
  bundle_bytes: null,
  files: []
};
const refusal = new ApiError({ code: 'full', title: 'Full', detail: 'No room.', hint: '' }, 409);

describe('the submit dialog', () => {
  const api = {
    form: vi.fn<(path: string, backend?: string) => Promise<Form>>(),
    preflight:
      vi.fn<(spec: unknown, backend?: string, signal?: AbortSignal) => Promise<Preflight>>(),
    render: vi.fn<(spec: unknown, backend?: string, signal?: AbortSignal) => Promise<Rendered>>(),
    submit: vi.fn<(spec: unknown, id: string, backend?: string) => Promise<JobStatus>>()
  };
  let model: SubmitModel;

  beforeEach(() => {
    vi.useFakeTimers();
    api.form.mockReset().mockResolvedValue(form);
    api.preflight.mockReset().mockResolvedValue(good);
    api.submit.mockReset().mockResolvedValue(job('a') as JobStatus);
    api.render.mockReset().mockResolvedValue({ yaml: 'kind: Job' });
    model = new SubmitModel({ api, backends: places(backend('local')), trans, path: 'a.ipynb' });
  });

  afterEach(() => {
    model.dispose();
    vi.useRealTimers();
  });

  it('can submit only what a preflight has found good', async () => {
    expect(model.canSubmit).toBe(false);
    await model.load();
    expect(api.form).toHaveBeenCalledWith('a.ipynb', 'local');
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
    expect(api.preflight.mock.lastCall?.[2]?.aborted).toBe(true);
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

  it('submits anew what differs from the job that a lost answer had made', async () => {
    await model.load();
    const used = { code: 'request_used', title: 'Used', detail: 'It made job a.', hint: '' };
    api.submit.mockRejectedValueOnce(new ApiError(used, 409));
    expect(await model.submit()).toBeNull();
    expect(model.error?.code).toBe('request_used');
    expect(await model.submit()).toMatchObject({ id: 'a' });
    const ids = api.submit.mock.calls.map(([, id]) => id);
    expect(new Set(ids).size).toBe(2);
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
    expect(model.mistakes.map(({ field }) => field)).toEqual(['parameters.layers']);
    expect(model.canSubmit).toBe(false);
  });

  it('tells of each field what the server says of it, until it is changed', async () => {
    await model.load();
    const body = { code: 'bad_input', title: 'No', detail: 'name: too long.', hint: '' };
    const fields = { name: 'at most 100 characters' };
    api.preflight.mockRejectedValueOnce(new ApiError({ ...body, fields } as never, 400));
    model.edit({ ...model.values, name: 'long' });
    await vi.advanceTimersByTimeAsync(400);
    expect(model.mistakes).toMatchObject([{ field: 'name', text: 'at most 100 characters' }]);
    expect(model.canSubmit).toBe(false);
    model.edit({ ...model.values, name: 'short' });
    await vi.advanceTimersByTimeAsync(400);
    expect([model.mistakes, model.canSubmit]).toEqual([[], true]);
  });

  describe('where something was used before', () => {
    const options = { name: 'a', workers: 4, parameters: { layers: [4] } } as Partial<JobSpec>;
    let again: SubmitModel;

    beforeEach(async () => {
      again = new SubmitModel({
        api,
        backends: places(backend('local')),
        trans,
        path: 'a.ipynb',
        last: { options, backend: 'gone' }
      });
      await again.load();
    });

    afterEach(() => again.dispose());

    it('offers it and fills in what the notebook says', () => {
      expect(again.spec).toMatchObject({ workers: 1, parameters: {} });
      expect(again.own).toEqual([]);
      expect(again.last).toEqual([
        { field: 'workers', value: 4 },
        { field: 'parameters.layers', value: '[4]' }
      ]);
      expect(again.lastBackend).toBeUndefined();
    });

    it('takes it field by field, marks what differs, and puts it back', () => {
      again.set(again.last[0]);
      expect(again.spec).toMatchObject({ workers: 4, parameters: {} });
      expect(again.last.map(({ field }) => field)).toEqual(['parameters.layers']);
      expect(again.own).toEqual([{ field: 'workers', value: 1 }]);
      again.set(again.own[0]);
      expect([again.own, again.last.length]).toEqual([[], 2]);
    });

    it('takes all of it at once', async () => {
      await again.useLast();
      expect(again.spec).toMatchObject({ workers: 4, parameters: { layers: [4] } });
      expect(again.last).toEqual([]);
    });
  });

  it('fills in the values of an earlier job', async () => {
    const again = new SubmitModel({
      api,
      backends: places(backend('local')),
      trans,
      path: 'a.ipynb',
      spec: { workers: 7 } as Partial<JobSpec>
    });
    await again.load();
    expect(again.spec).toMatchObject({ name: 'a', workers: 7 });
    expect(again.own).toEqual([{ field: 'workers', value: 1 }]);
    again.dispose();
  });

  describe('with a cluster beside this machine', () => {
    const clusterForm: Form = {
      ...form,
      form_schema: {
        properties: {
          ...(form.form_schema.properties as object),
          cluster: { type: 'object', properties: { image: { type: 'string' }, cpu: {} } }
        }
      },
      values: { ...form.values, cluster: { image: 'default:1' } }
    };
    let backends: ReturnType<typeof places>;

    beforeEach(() => {
      backends = places(backend('prod'), backend('local'));
      api.form.mockImplementation((_, name) =>
        Promise.resolve(name === 'prod' ? clusterForm : form)
      );
      model.dispose();
      model = new SubmitModel({ api, backends, trans, path: 'a.ipynb' });
    });

    it('asks, checks and submits where it was chosen', async () => {
      await model.load();
      expect(model.backend?.name).toBe('prod');
      expect(model.spec.cluster).toEqual({ image: 'default:1' });
      await model.choose('local');
      expect(api.preflight.mock.lastCall?.[1]).toBe('local');
      expect(model.spec).not.toHaveProperty('cluster');
      await model.submit();
      expect(api.submit.mock.lastCall?.[2]).toBe('local');
    });

    it('loses nothing that was typed when the place changes, and back', async () => {
      await model.load();
      model.edit({ ...model.values, workers: 4, cluster: { image: 'mine:1', cpu: '8' } });
      await model.choose('local');
      const { cluster: _, ...local } = model.values;
      model.edit({ ...local, name: 'renamed' });
      await model.choose('prod');
      expect(model.spec).toMatchObject({
        name: 'renamed',
        workers: 4,
        cluster: { image: 'mine:1', cpu: '8' }
      });
    });

    it('takes the form of the place that was chosen last, whichever comes first', async () => {
      await model.load();
      let answerLate: (form: Form) => void = () => undefined;
      api.form.mockReturnValueOnce(new Promise(resolve => (answerLate = resolve)));
      const first = model.choose('local');
      await model.choose('prod');
      answerLate(form);
      await first;
      expect(model.form).toBe(clusterForm);
      expect(model.canSubmit).toBe(true);
    });

    it('cannot submit with the form of another place, and reads the right one on retry', async () => {
      await model.load();
      api.form.mockRejectedValueOnce(refusal);
      await model.choose('local');
      expect([model.error, model.canSubmit]).toEqual([refusal, false]);
      model.edit({ ...model.values, workers: 3 });
      await vi.advanceTimersByTimeAsync(400);
      expect(api.preflight).toHaveBeenCalledOnce();
      await model.retry();
      expect([model.error, model.canSubmit, model.form]).toEqual([null, true, form]);
      expect(model.spec.workers).toBe(3);
    });

    it('stays where jobs go, and goes where it ran the last time when asked to', async () => {
      const last = {
        options: { cluster: { image: 'mine:2' } },
        backend: 'prod'
      } as unknown as ILast;
      backends.all = [backend('local'), backend('prod')];
      const again = new SubmitModel({ api, backends, trans, path: 'a.ipynb', last });
      await again.load();
      expect([again.backend?.name, again.lastBackend]).toEqual(['local', 'prod']);
      await again.useLast();
      expect(again.backend?.name).toBe('prod');
      expect(again.spec.cluster).toEqual({ image: 'mine:2' });
      again.dispose();
    });

    it('proposes where the earlier job ran, if that is still there', async () => {
      const options = { api, backends, trans, path: 'a.ipynb' };
      for (const [last, proposed] of [
        ['local', 'local'],
        ['gone', 'prod']
      ]) {
        const again = new SubmitModel({ ...options, backend: last });
        await again.load();
        expect(again.backend?.name).toBe(proposed);
        again.dispose();
      }
    });

    it('stays where it is when another place becomes the proposed one', async () => {
      await model.load();
      backends.all = [backend('local'), backend('prod')];
      backends.changed.emit();
      expect(model.backend?.name).toBe('prod');
    });

    it('cannot submit without the right, names it, and can as soon as it is there', async () => {
      const right = {
        feature: 'Submit jobs',
        code: 'submit',
        allowed: false,
        missing: ['create jobs.batch'],
        hint: 'Ask for it.'
      };
      backends.all = [backend('prod', { rights: [right] }), backend('local')];
      await model.load();
      expect(model.canSubmit).toBe(false);
      expect(model.refusal?.text).toContain('create jobs.batch');
      expect(model.refusal?.hint).toBe('Ask for it.');
      backends.all = [backend('prod'), backend('local')];
      backends.changed.emit();
      expect([model.canSubmit, model.refusal]).toEqual([true, null]);
    });

    it('renders only while somebody looks, and what is typed now', async () => {
      await model.load();
      expect(api.render).not.toHaveBeenCalled();
      await model.look(true);
      expect(model.preview).toEqual({ yaml: 'kind: Job', error: null });
      model.edit({ ...model.values, workers: 5 });
      await vi.advanceTimersByTimeAsync(400);
      expect(api.render.mock.lastCall?.[0]).toMatchObject({ workers: 5 });
      await model.look(false);
      model.edit({ ...model.values, workers: 6 });
      await vi.advanceTimersByTimeAsync(400);
      expect(api.render).toHaveBeenCalledTimes(2);
      expect(model.preview).toBeNull();
    });

    it('says why it cannot be rendered, and submits all the same', async () => {
      await model.load();
      api.render.mockRejectedValueOnce(refusal);
      await model.look(true);
      expect(model.preview).toEqual({ yaml: null, error: refusal });
      expect([model.error, model.canSubmit]).toEqual([null, true]);
    });
  });
});
