import type { TranslationBundle } from '@jupyterlab/translation';

import type { ErrorBody } from './schemas';

/** What is told of a failure; `fields` only where it is about fields of a request. */
type Told = Omit<ErrorBody, 'fields'> & Partial<Pick<ErrorBody, 'fields'>>;

/** A failure in the four texts that every face shows, and the HTTP status (0: no answer at all). */
export class ApiError extends Error {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly hint: string;
  /** Of each field that is wrong, by its dotted name in the spec (`workers`, `files.0`), what it must be. */
  readonly fields: Readonly<Record<string, string>>;
  readonly status: number;

  constructor(body: Told, status: number) {
    super(body.detail || body.title);
    this.name = 'ApiError';
    this.code = body.code;
    this.title = body.title;
    this.detail = body.detail;
    this.hint = body.hint;
    this.fields = body.fields ?? {};
    this.status = status;
  }

  /** Any failure as an ApiError, so that views know one shape. */
  static from(error: unknown, trans: TranslationBundle): ApiError {
    if (error instanceof ApiError) {
      return error;
    }
    return new ApiError(
      {
        code: 'unexpected',
        title: trans.__('Something went wrong'),
        detail: error instanceof Error ? error.message : String(error),
        hint: trans.__('The browser console has the details.')
      },
      0
    );
  }
}

/** What a JupyterHub answers for a server that it has stopped. */
export const NOT_RUNNING = 424;

/** The server did not answer. */
export function unreachable(trans: TranslationBundle): ApiError {
  return new ApiError(
    {
      code: 'server_unreachable',
      title: trans.__('The Jupyter server does not answer'),
      detail: trans.__('The request did not reach the server.'),
      hint: trans.__('Jobs go on running. Check the connection, or start the server again.')
    },
    0
  );
}

/** The server answers, but knows nothing of `/mlk`. */
export function extensionMissing(trans: TranslationBundle): ApiError {
  return new ApiError(
    {
      code: 'extension_missing',
      title: trans.__('The server part of mlk-jupyter is not running'),
      detail: trans.__('The Jupyter server answers, but does not know the job pages.'),
      hint: trans.__(
        'Install mlk-jupyter in the environment of the server, check it with “jupyter server extension list”, and start the server again.'
      )
    },
    404
  );
}

/** What a status without a body of ours means. */
export function plainFailure(status: number, text: string, trans: TranslationBundle): ApiError {
  if (status === 401 || status === 403) {
    return new ApiError(
      {
        code: 'not_allowed',
        title: trans.__('Not allowed'),
        detail: text || trans.__('The server refused the request.'),
        hint: trans.__('Log in again by reloading the page, or ask who runs the server for access.')
      },
      status
    );
  }
  if (status === NOT_RUNNING) {
    return new ApiError(
      {
        code: 'server_stopped',
        title: trans.__('Your server is not running'),
        detail: trans.__('JupyterHub has stopped it, or it has ended.'),
        hint: trans.__('Start it again from the page of the Hub, and reload this page.')
      },
      status
    );
  }
  return new ApiError(
    {
      code: 'server_failed',
      title: trans.__('The server failed to answer'),
      detail: trans.__('It answered with status %1. %2', status, text),
      hint: trans.__('Try again. If it stays so, the log of the Jupyter server says why.')
    },
    status
  );
}
