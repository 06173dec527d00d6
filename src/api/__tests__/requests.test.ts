import { describe, expect, it } from 'vitest';

import { answer, settings, trans } from '../../__tests__/fakes';
import { ApiError } from '../errors';
import { Api } from '../requests';

const refusal = {
  code: 'bad_input',
  title: 'This cannot be used',
  detail: 'workers: at least 1.',
  hint: 'Correct the fields named above.'
};

async function failureOf(serve: () => Response | Promise<Response>): Promise<ApiError> {
  const reason: unknown = await new Api(settings(serve), trans)
    .jobs()
    .catch((error: unknown) => error);
  expect(reason).toBeInstanceOf(ApiError);
  return reason as ApiError;
}

describe('the one way to the server', () => {
  it('goes below the base URL and escapes what it is given', async () => {
    const urls: string[] = [];
    const api = new Api(
      settings(request => {
        urls.push(request.url);
        return answer(200, {});
      }),
      trans
    );
    await api.job('a/b?c');
    await api.form('dir/ü&x.ipynb');
    expect(urls[0]).toContain('http://localhost:8888/user/me/mlk/jobs/a%2Fb%3Fc?');
    expect(new URL(urls[1]).searchParams.get('path')).toBe('dir/ü&x.ipynb');
  });

  it('keeps reads from counting as activity, and lets what a person does count', async () => {
    const urls: string[] = [];
    const api = new Api(
      settings(request => {
        urls.push(request.url);
        return answer(200, {});
      }),
      trans
    );
    await api.jobs();
    await api.stop('a');
    expect(urls.map(url => url.includes('no_track_activity=1'))).toEqual([true, false]);
  });

  it('keeps the four fields and the status of a refusal', async () => {
    const error = await failureOf(() => answer(400, refusal));
    expect({ ...refusal, status: 400 }).toEqual({
      code: error.code,
      title: error.title,
      detail: error.detail,
      hint: error.hint,
      status: error.status
    });
  });

  it('tells a missing job from a missing server extension', async () => {
    const job = await failureOf(() => answer(404, { ...refusal, code: 'job_not_found' }));
    const extension = await failureOf(() => answer(404, { message: 'Not Found' }));
    expect(job.code).toBe('job_not_found');
    expect(extension.code).toBe('extension_missing');
    expect(extension.hint).toContain('jupyter server extension list');
  });

  it('says that nobody answered when the network fails', async () => {
    const error = await failureOf(() => Promise.reject(new TypeError('Failed to fetch')));
    expect([error.code, error.status]).toEqual(['server_unreachable', 0]);
  });

  it('does not take the page of a proxy for an answer', async () => {
    expect((await failureOf(() => answer(200, '<html>log in</html>'))).code).toBe('server_failed');
    expect((await failureOf(() => answer(502, '<html>bad gateway</html>'))).status).toBe(502);
  });

  it('says that a refused person is not allowed', async () => {
    expect((await failureOf(() => answer(403, { message: 'Forbidden' }))).code).toBe('not_allowed');
  });

  it('lets an abort be an abort', async () => {
    const abort = new AbortController();
    const api = new Api(
      settings(() => {
        abort.abort();
        return Promise.reject(new TypeError('aborted'));
      }),
      trans
    );
    const reason: unknown = await api
      .preflight({ name: 'a', notebook: 'b' }, undefined, abort.signal)
      .catch((error: unknown) => error);
    expect((reason as DOMException).name).toBe('AbortError');
  });

  it('takes an empty answer for a deleted job', async () => {
    await expect(
      new Api(
        settings(() => answer(204, '')),
        trans
      ).remove('a')
    ).resolves.toBeUndefined();
  });
});
