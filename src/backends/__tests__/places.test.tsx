import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { backend, trans } from '../../__tests__/fakes';
import { Orphans } from '../orphans';
import type { IPlacesNoticeProps } from '../places';
import { Places, PlacesNotice, placesText } from '../places';

const orphan = { kind: 'ConfigMap', name: 'a-1-bundle', job: 'a-1', created_at: null };

function show(fields: Partial<IPlacesNoticeProps>) {
  const given = { backends: [backend('local')], orphans: null, trans, ...fields };
  const onRemoveOrphans = vi.fn();
  render(
    <>
      <Places {...given} />
      <PlacesNotice {...given} onRemoveOrphans={onRemoveOrphans} />
    </>
  );
  return { onRemoveOrphans };
}

describe('where jobs run', () => {
  it.each([
    ['', []],
    ['This machine', [backend('local')]],
    ['prod · Live', [backend('prod')]],
    [
      'prod and 2 more · Connecting',
      [backend('prod', { watch: 'connecting' }), backend('local'), backend('lab')]
    ]
  ])('is told in short as “%s”', (text, backends) => {
    expect(placesText(backends, trans)).toBe(text);
  });

  it('is said with why, and nothing is said before it is known', () => {
    show({ backends: [] });
    expect(screen.queryByRole('list')).toBeNull();
    show({});
    expect(screen.getByText('This machine')).toBeTruthy();
    expect(screen.getByText('It is the only one.')).toBeTruthy();
    expect(screen.queryByText('Not watched')).toBeNull();
  });

  it('names every place, with the state of the link to each cluster in words', () => {
    show({
      backends: [
        backend('prod', { context: 'p', namespace: 'team', server_version: 'v1.36.0' }),
        backend('local'),
        backend('lab', { watch: 'connecting' })
      ]
    });
    const rows = screen.getAllByRole('listitem').map(row => row.textContent);
    expect(rows[0]).toContain('prodLivecontext p · namespace team · v1.36.0');
    expect(rows[1]).toContain('This machineIt is');
    expect(rows[2]).toContain('labConnecting');
  });

  it('says apart from the list what is wrong with a cluster, as text', () => {
    show({
      backends: [
        backend('local'),
        backend('prod', { watch: 'reconnecting', watch_why: 'Since 10:02: <b>timeout</b>.' }),
        backend('lab', { watch: 'refused', watch_why: null })
      ]
    });
    const said = [...screen.getByRole('status').querySelectorAll('p')].map(p => p.textContent);
    expect(said).toEqual([
      'prod: Reconnecting Since 10:02: <b>timeout</b>.',
      'lab: Refused It answers, and says no. Its jobs go on.'
    ]);
  });

  it('names missing rights with the verb, and no right that is there or not known', () => {
    const right = { code: 'logs', feature: 'Read logs', missing: ['get pods/log'], hint: 'Ask.' };
    show({
      backends: [
        backend('prod', {
          rights: [
            { ...right, allowed: false },
            { ...right, code: 'stop', feature: 'Stop jobs', allowed: true },
            { ...right, code: 'nodes', feature: 'See nodes', allowed: null }
          ]
        })
      ]
    });
    expect(
      screen.getByText('Read logs: not allowed on prod, “get pods/log” is missing. Ask.')
    ).toBeTruthy();
    expect(screen.queryByText(/Stop jobs|See nodes/)).toBeNull();
  });

  it('offers to remove what is left of jobs, and nothing when nothing is left', () => {
    const { onRemoveOrphans } = show({ orphans: [orphan] });
    fireEvent.click(screen.getByRole('button', { name: 'Remove…' }));
    expect(onRemoveOrphans).toHaveBeenCalledOnce();
  });

  it.each([null, []])('offers nothing to remove when what is left is %j', orphans => {
    show({ orphans });
    expect(screen.queryByRole('button')).toBeNull();
  });
});

describe('what is about to be removed', () => {
  it('is listed in full', () => {
    render(<Orphans orphans={[orphan]} trans={trans} />);
    expect(screen.getAllByRole('cell').map(cell => cell.textContent)).toEqual([
      'ConfigMap',
      'a-1-bundle',
      'a-1',
      '–'
    ]);
  });
});
