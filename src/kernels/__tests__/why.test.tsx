import { fireEvent, render, screen, within } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import type { Explained, SignalView } from '../../api';
import { asText, limitRows, signalRows } from '../explained';
import { showWhy, Why } from '../why';
import { kernel } from './fakes';

const signal = (name: string, value: unknown, fields: Partial<SignalView> = {}): SignalView => ({
  name,
  value,
  age_s: null,
  why: null,
  ...fields
});

const explained: Explained = {
  kernel: kernel('train'),
  signals: [
    signal('execution', 'idle', { age_s: 2520 }),
    signal('message', 'execute_request', { age_s: 2521 }),
    signal('cpu', 0.4),
    signal('gpu_busy', null, { why: 'several tenants share the GPU' }),
    signal('lease', 'over lunch')
  ],
  limits: { MLK_IDLE_MODE: 'enforce', MLK_IDLE_TTL: 14_400, MLK_IDLE_MAX_AGE: 0 },
  sources: {
    MLK_IDLE_MODE: 'MLK_IDLE_MODE',
    MLK_IDLE_TTL: 'notebook',
    MLK_IDLE_MAX_AGE: 'default'
  },
  sentences: ['It has done nothing for 42 minutes.', 'It is stopped after 4 hours.']
};

describe('why a kernel is in its state', () => {
  it('is told in sentences, then in signals and limits with where they come from', () => {
    render(<Why explained={explained} onCopy={vi.fn()} trans={trans} />);
    expect(screen.getAllByRole('listitem').map(({ textContent }) => textContent)).toEqual(
      explained.sentences
    );
    const cells = (caption: string): (string | null)[][] =>
      within(screen.getByRole('table', { name: caption }))
        .getAllByRole('row')
        .slice(1)
        .map(row => [...row.children].map(({ textContent }) => textContent));
    expect(cells('What is known')).toEqual([
      ['Kernel', 'idle', 'for 42 min'],
      ['Last use by a person', 'ran a cell', '42 min ago'],
      ['CPU of its processes', '0.4 % of one core', ''],
      ['GPU at work', 'unknown', 'several tenants share the GPU'],
      ['Kept for', 'over lunch', '']
    ]);
    expect(cells('Limits')).toEqual([
      ['Mode (MLK_IDLE_MODE)', 'enforce', 'from the server'],
      ['Idle (MLK_IDLE_TTL)', '4 h', 'from the notebook'],
      ['Age, also at work (MLK_IDLE_MAX_AGE)', 'no limit', 'default']
    ]);
  });

  it.each([
    [signal('gpu_busy', 0.71), '71 %'],
    [signal('gpu_memory', 2 ** 30), '1 GiB'],
    [signal('io', 2048), '2 KiB a second'],
    [signal('gpus', 0), '0'],
    [signal('input', false), 'no'],
    [signal('message', null), 'none'],
    [signal('jobs', []), 'none'],
    [signal('jobs', ['a', 'b']), 'a, b'],
    [signal('of a newer server', 'text'), 'text'],
    [signal('gpus', 0, { why: 'NVML does not answer' }), 'unknown']
  ])('shows the signal %j as “%s”', (shown, value) => {
    expect(signalRows([shown], trans)[0].value).toBe(value);
  });

  it.each([
    ['MLK_IDLE_CPU_PCT', 2, '2 %'],
    ['MLK_IDLE_IO_BYTES', 65_536, '64 KiB'],
    ['MLK_IDLE_AUDIT_LOG', false, 'no'],
    ['MLK_IDLE_WEBHOOK', '', 'not set'],
    ['MLK_PRICE_PER_HOUR', null, 'not set'],
    ['MLK_IDLE_OF_LATER', 7, '7']
  ])('shows the limit %s of %j as “%s”', (name, value, text) => {
    const [row] = limitRows({ limits: { [name]: value }, sources: {} }, trans);
    expect([row.value, row.note]).toEqual([text, '']);
  });

  it('is copied as text, and said to be', () => {
    const onCopy = vi.fn();
    render(<Why explained={explained} onCopy={onCopy} trans={trans} />);
    fireEvent.click(screen.getByRole('button', { name: 'Copy as text' }));
    expect(onCopy).toHaveBeenCalledOnce();
    expect(screen.getByRole('status').textContent).toBe('Copied');
    const text = asText(explained, trans);
    expect(text).toContain('train.ipynb · python3 · train\nIt has done nothing for 42 minutes.');
    expect(text).toContain('  GPU at work: unknown (several tenants share the GPU)\n');
    expect(text).toContain('  Idle (MLK_IDLE_TTL): 4 h (from the notebook)\n');
  });
});

describe('the dialog that says why', () => {
  afterEach(() => document.body.replaceChildren());

  it('is asked of the server, and left by the keyboard through all that is in it', async () => {
    const explain = vi.fn(() => Promise.resolve(explained));
    const shown = showWhy(kernel('train'), { explain }, trans);
    await screen.findByText('Copy as text');
    const close = document.querySelector<HTMLElement>('.jp-Dialog .jp-mod-accept')!;
    expect(explain).toHaveBeenCalledWith('train');
    close.focus();
    fireEvent.keyDown(close, { key: 'Tab' });
    expect(document.activeElement).toBe(document.querySelector('.mlk-Why'));
    close.click();
    await shown;
  });
});
