import { describe, expect, it } from 'vitest';

import { backend, job, trans } from '../../__tests__/fakes';
import { deletionText, severalIds } from '../deletion';

const options = {
  jobs: { titleOf: ({ name }: { name: string }) => name, drop: () => undefined },
  backends: { get: (name: string) => backend(name) },
  trans
};

describe('the deletion of several jobs', () => {
  it('names them, and says what is lost and what stays', () => {
    const text = deletionText([job('a', { phase: 'Failed' }), job('b')], options);
    expect(text).toMatch(/^a, b\. 1 of them is not over: it is stopped first\./);
    expect(text).toContain('deleted for good');
    expect(text).not.toContain('cluster');
  });

  it('names the first of very many, and the objects in a cluster', () => {
    const many = Array.from({ length: 12 }, (_, at) => job(`job-${at}`, { backend: 'prod' }));
    const text = deletionText(many, options);
    expect(text).toContain('job-7 and 4 more.');
    expect(text).toContain('objects in the cluster');
  });

  it('takes ids and nothing else from the arguments of a command', () => {
    expect(severalIds({ ids: ['a', 7, null, 'b'] })).toEqual(['a', 'b']);
    expect(severalIds({ id: 'a' })).toEqual([]);
  });
});
