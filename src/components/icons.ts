import { LabIcon } from '@jupyterlab/ui-components';

/** One part that hands its work to three: the panel, the toolbar button, the tabs. */
export const jobsIcon = new LabIcon({
  name: 'mlk-jupyter:jobs',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M9 3h6v5h-2.1v3H19.9v4H22v6h-6v-6h2.1v-2.2h-5.2V15H15v6H9v-6h2.1v-2.2H5.9V15H8v6H2v-6h2.1v-4h7V8H9Z"/>
</svg>`
});
