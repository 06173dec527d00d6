import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobSummary, Phase } from '../api';
import { PhaseIcon } from '../components';
import { phaseWord } from './phase';

/** In the order of a job's life. */
const PHASES: readonly Phase[] = [
  'Queued',
  'Suspended',
  'Starting',
  'Running',
  'Stopping',
  'Succeeded',
  'Failed',
  'Stopped'
];

export interface IPhaseFilterProps {
  /** All jobs that the words of the filter leave. */
  jobs: readonly JobSummary[];
  /** The phases that are shown; none: all of them. */
  phases: ReadonlySet<Phase>;
  trans: TranslationBundle;
  onToggle: (phase: Phase) => void;
}

/** One button for each phase that there is, with the number of its jobs. */
export const PhaseFilter = (props: IPhaseFilterProps): JSX.Element | null => {
  const { jobs, phases, trans, onToggle } = props;
  const counts = new Map<Phase, number>();
  for (const { phase } of jobs) {
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
  }
  const shown = PHASES.filter(phase => counts.has(phase) || phases.has(phase));
  if (shown.length < 2 && phases.size === 0) {
    return null;
  }
  return (
    <div className="mlk-PhaseFilter" role="group" aria-label={trans.__('Show phases')}>
      {shown.map(phase => (
        <button
          key={phase}
          type="button"
          className="mlk-PhaseFilter-phase"
          aria-pressed={phases.has(phase)}
          onClick={() => onToggle(phase)}
        >
          <PhaseIcon phase={phase} />
          {phaseWord(phase, trans)}
          <span className="mlk-PhaseFilter-count">{counts.get(phase) ?? 0}</span>
        </button>
      ))}
    </div>
  );
};

export interface ISelectionProps {
  /** How many jobs are shown, how many there are, and how many of those shown are selected. */
  shown: number;
  all: number;
  selected: number;
  trans: TranslationBundle;
  onDelete: () => void;
  onClear: () => void;
}

/** How many jobs there are; what can be done with those selected. */
export const Selection = (props: ISelectionProps): JSX.Element => {
  const { shown, all, selected, trans } = props;
  return (
    <div className="mlk-Selection">
      <span className="mlk-Selection-count">
        {selected > 0
          ? trans.__('%1 of %2 selected', selected, shown)
          : shown === all
            ? trans._n('%1 job', '%1 jobs', all)
            : trans.__('%1 of %2 jobs', shown, all)}
      </span>
      {selected > 0 && (
        <>
          <button type="button" className="mlk-Button" onClick={props.onDelete}>
            {trans.__('Delete…')}
          </button>
          <button type="button" className="mlk-Button" onClick={props.onClear}>
            {trans.__('Clear')}
          </button>
        </>
      )}
    </div>
  );
};
