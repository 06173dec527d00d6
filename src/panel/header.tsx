import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon, runIcon } from '@jupyterlab/ui-components';

import type { Link } from '../api';
import { IconButton } from '../components';
import { linkHint, linkText } from './words';

export interface IPanelHeaderProps {
  link: Link;
  onRun: () => void;
  onRefresh: () => void;
  trans: TranslationBundle;
}

/** Above the sections: how the connection is, and the one button that matters. */
export const PanelHeader = ({ link, onRun, onRefresh, trans }: IPanelHeaderProps): JSX.Element => (
  <div className="mlk-PanelHeader">
    <button type="button" className="mlk-Button" data-primary="true" onClick={onRun}>
      <runIcon.react tag="span" width="14px" height="14px" />
      {trans.__('Run as a job…')}
    </button>
    <span className="mlk-PanelHeader-end">
      <span className="mlk-LinkState" data-link={link} role="status" title={linkHint(link, trans)}>
        {linkText(link, trans)}
      </span>
      <IconButton icon={refreshIcon} label={trans.__('Refresh')} onClick={onRefresh} />
    </span>
  </div>
);
