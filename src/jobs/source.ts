import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError } from '../api';
import { contentsPath } from './contentspath';

/** The contents path where a job's source lies now. Raises an ApiError when it cannot be opened from here. */
export async function findSource(
  notebook: string,
  root: string,
  contents: Pick<Contents.IManager, 'get'>,
  trans: TranslationBundle
): Promise<string> {
  const path = contentsPath(notebook, root);
  if (path === null) {
    throw missing(trans.__('It is not below this server’s folder.'), trans);
  }
  try {
    await contents.get(path, { content: false });
  } catch (error) {
    if (error instanceof ServerConnection.ResponseError && error.response.status === 404) {
      throw missing(trans.__('There is no such file in the folder of this server.'), trans);
    }
    throw error;
  }
  return path;
}

function missing(detail: string, trans: TranslationBundle): ApiError {
  return new ApiError(
    {
      code: 'source_missing',
      title: trans.__('The notebook is not there'),
      detail,
      hint: trans.__('The job’s own copy is on its page Notebook.')
    },
    404
  );
}
