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
  const pre = document.createElement('pre');
  pre.textContent = Array.isArray(text) ? text.join('') : String(text);
  const link = document.createElement('a');
  link.textContent = name;
  link.setAttribute('href', pathOf(name));
  link.setAttribute('target', '_blank');
  return { ...output, data: { ...data, 'text/html': `${pre.outerHTML}${link.outerHTML}` } };
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
