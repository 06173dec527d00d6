export { ErrorBanner } from './errorbanner';
export { ago, bytes, duration, exactTime, figure, language, roughly } from './format';
export { IconButton } from './iconbutton';
export { jobsIcon } from './icons';
export { PhaseIcon, PhaseLabel } from './phase';
export { ProgressBar } from './progressbar';
export { RelativeTime, useNow } from './time';
