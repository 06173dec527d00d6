import type * as nbformat from '@jupyterlab/nbformat';
import type { TranslationBundle } from '@jupyterlab/translation';

/** Characters of one text output that the page draws: a browser stands still over the spans of a megabyte. */
export const MOST_TEXT = 64 * 1024;

/** Text that came bit by bit is cut only when it is this much longer, so that not every bit draws all anew. */
export const TOO_MUCH_TEXT = 2 * MOST_TEXT;

/**
 * An output as the live page shows it: of long text its end, with a line that says where the rest is.
 *
 * The executed notebook and the log keep all of it. Outputs that are short, or no text, stay the same object.
 */
export function shortened(
  output: nbformat.IOutput,
  trans: TranslationBundle,
  limit = MOST_TEXT
): nbformat.IOutput {
  if (output.output_type !== 'stream') {
    return output;
  }
  const raw = output.text as nbformat.MultilineString;
  const text = Array.isArray(raw) ? raw.join('') : raw;
  if (text.length <= limit) {
    return output;
  }
  const start = text.length - MOST_TEXT;
  const lineEnd = text.indexOf('\n', start);
  const end = text.slice(lineEnd < 0 || lineEnd === text.length - 1 ? start : lineEnd + 1);
  const note = trans.__('[Earlier text is in the Log, and in the saved copy of this notebook.]');
  return { ...output, text: `${note}\n${end}` };
}
