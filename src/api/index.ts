export { ApiError, NOT_RUNNING } from './errors';
export { Api } from './requests';
export type { IRequestOptions } from './requests';
export * from './schemas';
export { Shared } from './shared';
export { Channel } from './socket';
export type { IListener, Link } from './socket';
