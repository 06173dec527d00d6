import type * as nbformat from '@jupyterlab/nbformat';

/** Where the file of an output lies that was too large for the notebook. */
export type PathOf = (name: string) => string;

const NAME = /^cell-\d+-output-\d+\.[a-z]+$/;

/** An output whose place in the notebook is taken by a sentence, with a link to its file; any other as it is. */
export function linked(output: nbformat.IOutput, pathOf: PathOf): nbformat.IOutput {
  const metadata = output.metadata as { mlk?: { file?: unknown } } | undefined;
  const name = metadata?.mlk?.file;
  const data = output.data as nbformat.IMimeBundle | undefined;
  const text = data?.['text/plain'];
  if (typeof name !== 'string' || !NAME.test(name) || text === undefined) {
    return output;
  }
  const words = escaped(Array.isArray(text) ? text.join('') : String(text));
  const link = `<a href="${escaped(pathOf(name))}" target="_blank">${name}</a>`;
  return { ...output, data: { ...data, 'text/html': `<pre>${words}</pre>${link}` } };
}

/** The same for all outputs of a notebook. */
export function allLinked(
  notebook: nbformat.INotebookContent,
  pathOf: PathOf
): nbformat.INotebookContent {
  const cells = notebook.cells.map(cell =>
    cell.cell_type === 'code'
      ? {
          ...cell,
          outputs: (cell.outputs as nbformat.IOutput[]).map(output => linked(output, pathOf))
        }
      : cell
  );
  return { ...notebook, cells };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
}
