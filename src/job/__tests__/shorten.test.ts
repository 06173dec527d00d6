import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { MOST_TEXT, TOO_MUCH_TEXT, shortened } from '../shorten';

const trans = nullTranslator.load('mlk_jupyter');
const stream = (text: string | string[]) => ({ output_type: 'stream', name: 'stdout', text });

describe('shortened', () => {
  it('leaves short text and other outputs as they are', () => {
    const short = stream('x'.repeat(MOST_TEXT));
    expect(shortened(short, trans)).toBe(short);
    const figure = {
      output_type: 'display_data',
      data: { 'text/html': 'x'.repeat(9e6) },
      metadata: {}
    };
    expect(shortened(figure, trans)).toBe(figure);
  });

  it('keeps whole lines of the end, and says where the rest is', () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`);
    const { text } = shortened(stream(lines), trans) as { text: string };
    const shown = text.split('\n');
    expect(shown[0]).toContain('in the Log');
    expect(shown[1]).toMatch(/^line \d+$/);
    expect(text.endsWith('line 19999\n')).toBe(true);
    expect(text.length).toBeLessThan(MOST_TEXT + 200);
  });

  it('cuts a line without end too', () => {
    const { text } = shortened(stream('x'.repeat(3 * MOST_TEXT)), trans) as { text: string };
    expect(text.endsWith('x'.repeat(MOST_TEXT))).toBe(true);
  });

  it('waits longer with text that is still growing', () => {
    const growing = stream('x'.repeat(TOO_MUCH_TEXT));
    expect(shortened(growing, trans, TOO_MUCH_TEXT)).toBe(growing);
    expect(shortened(stream('x'.repeat(TOO_MUCH_TEXT + 1)), trans, TOO_MUCH_TEXT)).not.toBe(
      growing
    );
  });
});
