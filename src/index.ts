import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { actions } from './plugins/actions';
import { api, channel } from './plugins/connection';
import { display } from './plugins/display';
import { gpus, gpusSection } from './plugins/gpus';
import { backends, jobs } from './plugins/jobs';
import { jobsSection } from './plugins/jobssection';
import { jobTab } from './plugins/jobtab';
import { kernelActions, presence } from './plugins/kernelactions';
import { kernelNotices, kernelSettings } from './plugins/kernelnotices';
import { kernels } from './plugins/kernels';
import { kernelsSection, kernelStatus } from './plugins/kernelssection';
import { notebook } from './plugins/notebook';
import { panel } from './plugins/panel';
import { places } from './plugins/places';
import { running } from './plugins/running';
import { status } from './plugins/status';
import { submit } from './plugins/submit';
import { toasts } from './plugins/toasts';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  api,
  channel,
  jobs,
  backends,
  kernels,
  gpus,
  panel,
  jobsSection,
  gpusSection,
  kernelsSection,
  places,
  jobTab,
  actions,
  submit,
  notebook,
  status,
  kernelStatus,
  kernelActions,
  presence,
  kernelNotices,
  kernelSettings,
  toasts,
  running,
  display
];

export default plugins;
