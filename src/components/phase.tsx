import type { TranslationBundle } from '@jupyterlab/translation';

import type { Phase } from '../api';
import { phaseWord } from '../jobs/phase';

const CIRCLE = 'M7 1a6 6 0 1 0 0 12A6 6 0 0 0 7 1Zm0 1.3a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4Z';
const DISC = 'M7 1a6 6 0 1 0 0 12A6 6 0 0 0 7 1Z';

/** One shape a phase, so that colour is never needed to tell them apart. 14 × 14. */
const SHAPES: Record<Phase, string> = {
  // a clock
  Queued: `${CIRCLE}M6.4 3.8h1.2v3l2.1 1.3-.6 1L6.4 7.5Z`,
  // half full
  Starting: `${CIRCLE}M7 3.6a3.4 3.4 0 0 1 0 6.8Z`,
  // a triangle in the disc
  Running: `${DISC}M5.5 4.2 10 7l-4.5 2.8Z`,
  // an empty square
  Stopping: `${CIRCLE}M5 5h4v4H5Z`,
  // two bars
  Suspended: `${CIRCLE}M5 4.6h1.3v4.8H5Zm2.7 0H9v4.8H7.7Z`,
  // a tick
  Succeeded: 'M5.6 10.9 1.9 7.2l1-1 2.7 2.7 5.6-5.6 1 1Z',
  // a cross in the disc
  Failed: `${DISC}M4.9 4 7 6.1 9.1 4l.9.9L7.9 7l2.1 2.1-.9.9L7 7.9 4.9 10l-.9-.9L6.1 7 4 4.9Z`,
  // a square in the disc
  Stopped: `${DISC}M5 5h4v4H5Z`
};

export interface IPhaseProps {
  phase: Phase;
  trans: TranslationBundle;
}

export const PhaseIcon = ({ phase }: { phase: Phase }): JSX.Element => (
  <svg className="mlk-PhaseIcon" data-phase={phase} viewBox="0 0 14 14" aria-hidden="true">
    <path fill="currentColor" fillRule="evenodd" d={SHAPES[phase]} />
  </svg>
);

/** The phase of a job: icon and word. */
export const PhaseLabel = ({ phase, trans }: IPhaseProps): JSX.Element => (
  <span className="mlk-Phase" data-phase={phase}>
    <PhaseIcon phase={phase} />
    <span>{phaseWord(phase, trans)}</span>
  </span>
);
