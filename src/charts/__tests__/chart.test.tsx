import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { Chart } from '../chart';
import { PLAIN } from '../lines';
import { Sparkline } from '../sparkline';
import { timeTick, valueTick } from '../ticks';

const points = (...values: (number | null)[]) =>
  values.map((value, step) => ({ at: 1e9 + step, step, value }));

describe('Chart', () => {
  it('tells one value as a number, without axes', () => {
    const line = { key: '0', label: 'rank 0', colour: 0, origin: 0, points: points(0.0015) };
    const { container } = render(
      <Chart title="loss" lines={[line]} look={PLAIN} version={0} theme="" trans={trans} />
    );
    expect(screen.getByRole('figure').textContent).toBe('loss0.0015');
    expect(container.querySelector('canvas, [role="img"]')).toBeNull();
  });

  it('names several lines, each with its latest value, and says whose they are', () => {
    const lines = [0, 1].map(rank => ({
      key: `${rank}`,
      label: `rank ${rank}`,
      colour: rank,
      origin: 0,
      points: points(rank + 0.5)
    }));
    render(
      <Chart
        title="loss"
        lines={lines}
        look={PLAIN}
        note="Two of 64."
        version={0}
        theme=""
        trans={trans}
      />
    );
    expect(screen.getAllByRole('listitem').map(({ textContent }) => textContent)).toEqual([
      'rank 00.5',
      'rank 11.5'
    ]);
    expect(screen.getByText('Two of 64.')).toBeTruthy();
  });
});

describe('Sparkline', () => {
  const path = () => document.querySelector('path')?.getAttribute('d') ?? null;

  it('draws a course from edge to edge, and a gap as a gap', () => {
    render(<Sparkline points={points(1, 3, null, 1, 3)} />);
    expect(path()).toBe('M2.0 26.0L31.0 2.0M89.0 26.0L118.0 2.0');
  });

  it('draws nothing where there is no course yet', () => {
    render(<Sparkline points={points(1, null)} />);
    expect(path()).toBeNull();
  });
});

describe('ticks', () => {
  it('are figures as everywhere, and never dates', () => {
    expect(valueTick(0.0015, [0, 0.0015], trans)).toBe('0.0015');
    expect(valueTick(1e-20, [-1, 1e-20, 1], trans)).toBe('0');
    expect(valueTick(null, [null], trans)).toBe('');
    expect([0, 0.05, 90, 7200].map(seconds => timeTick(seconds, trans))).toEqual([
      '0 s',
      '0.05 s',
      '1 min 30 s',
      '2 h'
    ]);
  });
});
