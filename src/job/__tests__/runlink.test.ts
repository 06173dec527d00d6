import { describe, expect, it } from 'vitest';

import { wayTo } from '../runlink';

describe('the way to a run', () => {
  const local = 'http://127.0.0.1:5005/?token=x#/experiments/1/runs/r';

  it.each([
    ['https://mlflow.example/#/runs', null, 'hub.example', 'https://mlflow.example/#/runs'],
    [local, '/proxy/5005/?token=x#/runs', 'hub.example', '/proxy/5005/?token=x#/runs'],
    [local, '/proxy/5005/?token=x#/runs', 'localhost', '/proxy/5005/?token=x#/runs'],
    [local, '//evil.example/', 'localhost', local],
    [local, null, 'localhost', local],
    [local, null, '127.0.0.1', local],
    ['http://[::1]:5005/', null, '[::1]', 'http://[::1]:5005/']
  ])('to %s is a link that leads there', (url, proxy_path, host, href) => {
    expect(wayTo({ url, proxy_path }, host)).toEqual({ kind: 'link', href });
  });

  it('is told for a person elsewhere, with the line that brings the port along', () => {
    expect(wayTo({ url: local, proxy_path: null }, 'gpu7.example')).toEqual({
      kind: 'elsewhere',
      url: local,
      ssh: 'ssh -N -L 5005:127.0.0.1:5005 gpu7.example'
    });
  });

  it.each([null, 'javascript:alert(1)', 'http://'])('is none for %s', url => {
    expect(wayTo({ url, proxy_path: '/proxy/1/' }, 'localhost')).toEqual({ kind: 'none' });
  });
});
