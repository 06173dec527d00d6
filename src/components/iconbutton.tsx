import type { LabIcon } from '@jupyterlab/ui-components';

export interface IIconButtonProps {
  icon: LabIcon;
  /** What it does: the accessible name and the tooltip. */
  label: string;
  onClick: () => void;
  tabIndex?: number;
}

/** A small button with an icon and no frame. */
export const IconButton = ({ icon, label, onClick, tabIndex }: IIconButtonProps): JSX.Element => (
  <button
    type="button"
    className="mlk-IconButton"
    aria-label={label}
    title={label}
    tabIndex={tabIndex}
    onClick={onClick}
  >
    <icon.react tag={null} width="16px" height="16px" />
  </button>
);
