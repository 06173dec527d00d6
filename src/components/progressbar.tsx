export interface IProgressBarProps {
  /** 0-1; null when not known. */
  fraction: number | null;
  /** What the bar measures, for readers. */
  label: string;
}

/** A thin bar. Drawn by hand: a native one turns grey in the dark theme. */
export const ProgressBar = ({ fraction, label }: IProgressBarProps): JSX.Element => {
  const percent =
    fraction === null ? undefined : Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return (
    <div
      className="mlk-ProgressBar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div className="mlk-ProgressBar-fill" style={{ width: `${percent ?? 0}%` }} />
    </div>
  );
};
