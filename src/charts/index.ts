export { Chart } from './chart';
export { isSingle, PLAIN } from './lines';
export type { ILine, ILook } from './lines';
export { byName, differing, SeriesStore, summarise } from './series';
export type { IMetric, ISeries } from './series';
export { Sparkline } from './sparkline';
export type { Axis, IPoint } from './thin';
