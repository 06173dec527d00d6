import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { jobs } from './plugins/jobs';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [jobs];

export default plugins;
