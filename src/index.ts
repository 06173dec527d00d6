import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { actions } from './plugins/actions';
import { jobs } from './plugins/jobs';
import { jobTab } from './plugins/jobtab';
import { notebook } from './plugins/notebook';
import { panel } from './plugins/panel';
import { running } from './plugins/running';
import { status } from './plugins/status';
import { submit } from './plugins/submit';
import { toasts } from './plugins/toasts';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  jobs,
  jobTab,
  panel,
  actions,
  submit,
  notebook,
  status,
  toasts,
  running
];

export default plugins;
