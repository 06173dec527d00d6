import { PathExt } from '@jupyterlab/coreutils';

/**
 * The contents path of a job's source; null when it is not below the server's folder.
 *
 * Jobs of the dialog name a contents path, those of magics, Python and `mlk run` an absolute one.
 * `root` is the folder as the page has it: the server writes `~` for the home folder and does not
 * tell where that is, so what follows the first place of the root's own tail is taken.
 */
export function contentsPath(notebook: string, root: string): string | null {
  if (!notebook.startsWith('/')) {
    return notebook;
  }
  const path = `/${PathExt.normalize(notebook)}`;
  const folder = `${root.replace(/^~|\/+$/g, '')}/`;
  if (folder === '/' && root !== '/') {
    return null; // no root, or a home folder without a tail to go by
  }
  const isInHome = root.startsWith('~');
  const start = isInHome ? path.indexOf(folder, 1) : path.startsWith(folder) ? 0 : -1;
  return start < 0 ? null : path.slice(start + folder.length);
}
