import { describe, expect, it } from 'vitest';

import { wayTo } from '../runlink';

describe('the way to a run', () => {
  const local = 'http://127.0.0.1:5005/?token=x#/experiments/1/runs/r';

  it.each([
    ['https://mlflow.example/#/runs', null, 'hub.example', 'https://mlflow.example/#/runs'],
    [local, '/proxy/5005/?token=x#/runs', 'hub.example', '/proxy/5005/?token=x#/runs'],
    [local, '/proxy/5005/?token=x#/runs', 'localhost', '/proxy/5005/?token=x#/runs'],
    [local, '/user/me/proxy/5005/', 'localhost', '/user/me/proxy/5005/']
  ])('to %s is a link that leads there', (url, proxy_path, host, href) => {
    expect(wayTo({ url, proxy_path }, host)).toEqual({ kind: 'link', href });
  });

  it.each([
    [local, null, 'localhost'],
    [local, null, '127.0.0.1'],
    ['http://[::1]:5005/', null, '[::1]'],
    [local, '//evil.example/', 'localhost'],
    [local, '/\\evil.example/', 'localhost'],
    [local, '/\t/evil.example/', 'localhost'],
    [local, '/proxy\\5005/', 'localhost']
  ])('to %s beside %j has, at %s, the line for a page that came through a tunnel', (...given) => {
    const [url, proxy_path, host] = given;
    const ssh = 'ssh -N -L 5005:127.0.0.1:5005';
    expect(wayTo({ url, proxy_path }, host)).toEqual({ kind: 'link', href: url, ssh });
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
