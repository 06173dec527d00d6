// Short names for the generated types.
import type { components } from './types';

type Schemas = components['schemas'];

export type Attempt = Schemas['Attempt'];
export type BackendInfo = Schemas['BackendInfo'];
export type Backends = Schemas['Backends'];
/** How fresh what is known of a cluster is; `Link` is the state of our own socket. */
export type WatchState = Schemas['WatchState'];
export type ClusterOptions = Schemas['ClusterOptions-Output'];
export type ErrorBody = Schemas['ErrorBody'];
export type Finding = Schemas['Finding'];
export type Form = Schemas['Form'];
export type FramePiece = Schemas['FramePiece'];
export type FramesSnapshot = Schemas['FramesSnapshot'];
export type JobList = Schemas['JobList'];
export type JobSpec = Schemas['JobSpec-Output'];
export type JobSpecInput = Schemas['JobSpec-Input'];
export type JobStatus = Schemas['JobStatus'];
export type JobSummary = Schemas['JobSummary'];
export type JobsDelta = Schemas['JobsDelta'];
export type JobsSnapshot = Schemas['JobsSnapshot'];
export type LogPiece = Schemas['LogPiece'];
export type Message = Schemas['Message'];
export type Metric = Schemas['Metric'];
export type MetricList = Schemas['MetricList'];
export type MetricSeries = Schemas['MetricSeries'];
export type Orphan = Schemas['Orphan'];
export type Orphans = Schemas['Orphans'];
export type Phase = Schemas['Phase'];
export type Preflight = Schemas['Preflight'];
export type Progress = Schemas['Progress'];
export type RankStatus = Schemas['RankStatus'];
export type Rendered = Schemas['Rendered'];
export type Right = Schemas['Right'];
export type RunRef = Schemas['RunRef'];
export type RunView = Schemas['RunView'];
export type Sample = Schemas['Sample'];
export type ServerInfo = Schemas['ServerInfo'];
export type Submission = Schemas['Submission'];
export type Topic = Schemas['Topic'];
export type Transition = Schemas['Transition'];
