import { PathExt } from '@jupyterlab/coreutils';
import type * as nbformat from '@jupyterlab/nbformat';
import type { Contents } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Api, JobSummary } from '../api';
import { plainFailure } from '../api/errors';
import { allLinked } from './large';
import { untrusted } from './livenotebook';

/** Path offered for a copy of a job's notebook: beside its source, under the job's name. */
export function copyPath(job: JobSummary): string {
  const folder = PathExt.dirname(job.notebook);
  const stem = PathExt.basename(job.notebook, PathExt.extname(job.notebook));
  const name = job.name.replace(/[^\w.-]+/g, '-');
  return PathExt.join(folder, stem === name ? `${job.id}.ipynb` : `${stem}-${name}.ipynb`);
}

/** Writes the notebook as it is now, untrusted, to where a person chose. Raises what the server answers. */
export async function saveCopy(
  api: Api,
  contents: Contents.IManager,
  id: string,
  path: string
): Promise<void> {
  const { notebook } = await api.notebook(id);
  const content = allLinked(untrusted(notebook as unknown as nbformat.INotebookContent), name =>
    api.outputPath(id, name)
  );
  await contents.save(path, { type: 'notebook', format: 'json', content });
}

/** Hands what lies at an address of ours to the browser as a file; the credentials stay in the headers. */
export async function download(
  url: string,
  name: string,
  settings: ServerConnection.ISettings,
  trans: TranslationBundle
): Promise<void> {
  const response = await ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw plainFailure(response.status, response.statusText, trans);
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
