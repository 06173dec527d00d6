import type { LabIcon } from '@jupyterlab/ui-components';

export interface IIconButtonProps {
  icon: LabIcon;
  /** What it does: the accessible name and the tooltip. */
  label: string;
  onClick: () => void;
  tabIndex?: number;
  /** Why it is not offered: greyed out, but still to be reached and read. */
  refused?: string | null;
}

/** A small button with an icon and no frame. */
export const IconButton = (props: IIconButtonProps): JSX.Element => {
  const { icon, label, onClick, tabIndex, refused } = props;
  return (
    <button
      type="button"
      className="mlk-IconButton"
      aria-label={refused ? `${label}. ${refused}` : label}
      title={refused ?? label}
      aria-disabled={refused ? true : undefined}
      tabIndex={tabIndex}
      onClick={refused ? undefined : onClick}
    >
      <icon.react tag={null} width="16px" height="16px" />
    </button>
  );
};
