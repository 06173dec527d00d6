import { fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { Gpus } from '../../api';
import type { IGpusViewProps } from '../view';
import { GpusView } from '../view';
import { actions, advice, cluster, device, holder, node, NOW, place, product, told } from './fakes';

function show(gpus: Gpus | null, fields: Partial<IGpusViewProps> = {}) {
  const props: IGpusViewProps = {
    gpus,
    dismissed: new Set(),
    error: null,
    clock: () => NOW,
    actions: actions(),
    onRetry: vi.fn(),
    trans,
    ...fields
  };
  return { ...props, ...render(<GpusView {...props} />) };
}

const button = (name: string): HTMLElement => screen.getByRole('button', { name });
const unfold = (name: RegExp): void => {
  const details = screen.getByText(name).closest('details')!;
  details.open = true;
  fireEvent(details, new Event('toggle'));
};

describe('the GPUs', () => {
  it('begin with what my own hold, what it costs, and since when it is unused', () => {
    const train = holder('train');
    const kernel = holder('k1', {
      kind: 'kernel',
      name: 'eda.ipynb',
      count: 1,
      share: 1,
      busy: null,
      memory: null,
      cost_per_hour: null,
      unused_since: NOW - 2520
    });
    const { actions } = show(told({ mine: [train, kernel], wasted_per_hour: 12.4 }));
    const mine = screen.getByRole('list', { name: 'What my jobs and kernels hold' });
    const [first, second] = within(mine).getAllByRole('listitem');
    expect(first.textContent).toContain('2 GPUs · busy 71 % · 18.2 GiB · for 2 h · $6.40/h');
    expect(second.textContent).toContain(
      '1 GPU · use unknown · memory unknown · for 2 h · cost unknown'
    );
    expect(second.textContent).toContain('unused for 42 min');
    expect(screen.getByText('$12.40/h unused')).toBeTruthy();
    fireEvent.click(button('Stop train'));
    fireEvent.click(button('Keep eda.ipynb'));
    expect(actions.stop).toHaveBeenCalledWith(train);
    expect(actions.keep).toHaveBeenCalledWith(kernel);
    expect(screen.queryByRole('button', { name: 'Keep train' })).toBeNull();
  });

  it('say in words what a bar shows', () => {
    show(told());
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe(
      'H200 141GB: 3 used, 2 held and unused, 3 free'
    );
  });

  it('open to nodes, to who holds what, and to devices', () => {
    const other = holder('bert', { is_mine: false, user: 'ada' });
    const devices = [device('gpu-0', { holders: ['bert'] }), device('gpu-1', { state: 'outside' })];
    show(told({ places: [place({ nodes: [node('n1', { devices, holders: [other] })] })] }));
    expect(screen.queryByText('n1')).toBeNull();
    unfold(/^1 node$/);
    expect(screen.getByText('8 × H200: 5 held, 3 free, $3.20/h each')).toBeTruthy();
    expect(screen.getByText('job · ada')).toBeTruthy();
    const list = screen.getByRole('list', { name: 'GPUs of n1' });
    const [held, outside] = within(list).getAllByRole('listitem');
    expect(held.textContent).toContain('busy 50 % · 16 GiB of 128 GiB · 412 W · bert');
    expect(outside.textContent).toContain('used past the scheduler');
    expect(screen.queryByRole('button', { name: /bert/ }), 'of others').toBeNull();
  });

  it('show the first nodes of many, and all on request', () => {
    show(cluster(8 * 30));
    unfold(/^30 nodes$/);
    const rows = (): number => document.querySelectorAll('.mlk-GpuNode').length;
    expect(rows()).toBe(20);
    fireEvent.click(button('Show all 30 nodes'));
    expect(rows()).toBe(30);
  });

  it('draw a node again only when something of it changed', () => {
    const before = cluster(64);
    const { rerender, ...props } = show(before);
    unfold(/^8 nodes$/);
    const texts = vi.fn(trans.__.bind(trans));
    const [first, ...others] = before.places[0].nodes;
    const changed = { ...first, name: 'node-new' };
    const places = [{ ...before.places[0], nodes: [changed, ...others] }];
    const counting = Object.assign(Object.create(trans), { __: texts }) as typeof trans;
    rerender(<GpusView {...props} gpus={before} trans={counting} />);
    const all = texts.mock.calls.length;
    texts.mockClear();
    rerender(<GpusView {...props} gpus={{ ...before, places }} trans={counting} />);
    expect(texts.mock.calls.length).toBeLessThan(all / 4);
  });

  it.each<[string, Partial<Parameters<typeof place>[0] & object>, RegExp]>([
    ['there is none', { products: [] }, /no GPU that its driver shows.*nvidia-smi/],
    [
      'nodes may not be listed',
      { is_whole: false, why: 'You may not list nodes.', hint: 'Ask for the right.' },
      /You may not list nodes\. Ask for the right\./
    ],
    [
      'nothing measures them',
      {
        products: [product({ used: null })],
        sources: [
          { name: 'Prometheus', answers: false, why: 'Not set.', hint: 'Set MLK_PROMETHEUS_URL.' }
        ]
      },
      /held is known, used is not.*does not answer · Not set\. Set MLK_PROMETHEUS_URL\./
    ]
  ])('say what to do where %s', (_, fields, words) => {
    show(told({ places: [place(fields)] }));
    expect(document.body.textContent).toMatch(words);
  });

  it('say how old they are, and that nobody knows what is unused', () => {
    show(told({ places: [place({ products: [product({ used: null })] })] }), {
      clock: () => NOW + 150
    });
    expect(screen.getByText('as of 2 min ago')).toBeTruthy();
    expect(document.body.textContent).toContain('Unused: unknown');
  });
});

describe('advice', () => {
  it('has its evidence and what it saves, is taken away, and put back', () => {
    const all = [
      advice('a', { job: 'j1' }),
      advice('b', { saving_per_week: null, is_certain: true }),
      advice('c')
    ];
    const { actions } = show(told({ advice: all }), { dismissed: new Set(['c']) });
    expect(document.body.textContent).toContain('saves about $84.00 a week, by samples');
    expect(document.body.textContent).toContain('saving unknown');
    expect(screen.getAllByText('busy below 1 % for 3 h')).toHaveLength(2);
    fireEvent.click(button('Open the job: a holds 2 GPUs and uses none'));
    fireEvent.click(button('Dismiss: b holds 2 GPUs and uses none'));
    fireEvent.click(button('Undo: c holds 2 GPUs and uses none'));
    expect(actions.openJob).toHaveBeenCalledWith('j1');
    expect(actions.dismiss).toHaveBeenCalledWith('b');
    expect(actions.restore).toHaveBeenCalledWith('c');
  });
});
