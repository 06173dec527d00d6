import { describe, expect, it } from 'vitest';

import { linked } from '../large';

const at = (name: string) => `/base/mlk/jobs/a/outputs/${name}`;
const placeholder = (file: string | number | undefined) => ({
  output_type: 'display_data',
  data: { 'text/plain': '[20 MiB <b>are</b> in a file]' },
  metadata: { mlk: { file: file as string } }
});

describe('linked', () => {
  it('links a placeholder to its file, and shows its words as they are', () => {
    const { data } = linked(placeholder('cell-3-output-1.png'), at) as {
      data: Record<string, string>;
    };
    expect(data['text/html']).toContain('href="/base/mlk/jobs/a/outputs/cell-3-output-1.png"');
    expect(data['text/html']).toContain('&#60;b&#62;are');
    expect(data['text/plain']).toContain('20 MiB');
  });

  it.each([undefined, 7, '../spec.json', 'cell-1-output-1.png/../x', 'https://else.where'])(
    'leaves an output alone that names %s',
    file => {
      const output = placeholder(file);
      expect(linked(output, at)).toBe(output);
    }
  );

  it('leaves other outputs alone', () => {
    const stream = { output_type: 'stream', name: 'stdout', text: 'x' };
    expect(linked(stream, at)).toBe(stream);
  });
});
