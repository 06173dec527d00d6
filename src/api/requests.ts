import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError, extensionMissing, plainFailure, unreachable } from './errors';
import type {
  ErrorBody,
  Form,
  FramesSnapshot,
  JobList,
  JobSpec,
  JobStatus,
  JobSpecInput,
  LogPiece,
  MetricList,
  Orphans,
  Preflight,
  Rendered,
  RunView,
  ServerInfo
} from './schemas';

/** Where everything of ours lies below the server's base URL. */
export const ROOT = 'mlk';

export interface IRequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  query?: Record<string, string | number>;
  signal?: AbortSignal;
  /** Whether a person did this: polls must not keep an idle server from being culled. Default: all but GET. */
  activity?: boolean;
}

/** The REST API of the server extension. */
export class Api {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly _trans: TranslationBundle
  ) {}

  info(): Promise<ServerInfo> {
    return this.request<ServerInfo>(['info']);
  }

  jobs(): Promise<JobList> {
    return this.request<JobList>(['jobs']);
  }

  job(id: string): Promise<JobStatus> {
    return this.request<JobStatus>(['jobs', id]);
  }

  /** `backend`: the name of the one that it is for; without, the one that was chosen. */
  form(notebook: string, backend?: string): Promise<Form> {
    const query: Record<string, string> = { path: notebook };
    return this.request<Form>(['form'], { query: backend ? { ...query, backend } : query });
  }

  preflight(
    spec: JobSpec | JobSpecInput,
    backend?: string,
    signal?: AbortSignal
  ): Promise<Preflight> {
    return this.request<Preflight>(['preflight'], {
      method: 'POST',
      body: { spec, ...(backend ? { backend } : {}) },
      signal
    });
  }

  /** What would be created in the cluster, as YAML. */
  render(spec: JobSpec | JobSpecInput, backend?: string, signal?: AbortSignal): Promise<Rendered> {
    return this.request<Rendered>(['render'], {
      method: 'POST',
      body: { spec, ...(backend ? { backend } : {}) },
      signal
    });
  }

  /** The same `requestId` twice gives the same job. */
  submit(spec: JobSpec | JobSpecInput, requestId: string, backend?: string): Promise<JobStatus> {
    return this.request<JobStatus>(['jobs'], {
      method: 'POST',
      body: { spec, request_id: requestId, ...(backend ? { backend } : {}) }
    });
  }

  /** Objects of ours in the clusters whose job is gone. */
  orphans(): Promise<Orphans> {
    return this.request<Orphans>(['orphans']);
  }

  /** Removes them; gives those that were. */
  removeOrphans(): Promise<Orphans> {
    return this.request<Orphans>(['orphans'], { method: 'DELETE' });
  }

  stop(id: string): Promise<JobStatus> {
    return this.request<JobStatus>(['jobs', id, 'stop'], { method: 'POST', body: {} });
  }

  async remove(id: string): Promise<void> {
    await this.request<null>(['jobs', id], { method: 'DELETE' });
  }

  /** A piece of a rank's log; a negative offset counts from the end, in bytes. */
  log(id: string, rank: number, offset: number, limit: number): Promise<LogPiece> {
    return this.request<LogPiece>(['jobs', id, 'log'], { query: { rank, offset, limit } });
  }

  notebook(id: string): Promise<FramesSnapshot> {
    return this.request<FramesSnapshot>(['jobs', id, 'notebook']);
  }

  metrics(id: string, source: MetricList['source'] = 'frames'): Promise<MetricList> {
    return this.request<MetricList>(['jobs', id, 'metrics'], { query: { source } });
  }

  run(id: string): Promise<RunView> {
    return this.request<RunView>(['jobs', id, 'run']);
  }

  /** Address for a download by the browser itself. */
  logDownloadUrl(id: string, rank: number): string {
    return this.url(['jobs', id, 'log', 'download'], { rank });
  }

  /** Address of an output that was too large for the notebook, from the root of this server. */
  outputPath(id: string, name: string): string {
    return new URL(this.url(['jobs', id, 'outputs', name], {}), location.href).pathname;
  }

  /** Address for a download by the browser itself. */
  notebookDownloadUrl(id: string): string {
    return this.url(['jobs', id, 'notebook'], { download: 1 });
  }

  url(path: string[], query: Record<string, string | number> = {}): string {
    const parts = path.map(part => encodeURIComponent(part));
    return URLExt.join(this.settings.baseUrl, ROOT, ...parts) + URLExt.objectToQueryString(query);
  }

  /**
   * The one way to the server. Every failure is an ApiError, except an abort, which stays a DOMException.
   */
  async request<T>(path: string[], options: IRequestOptions = {}): Promise<T> {
    const method = options.method ?? 'GET';
    const activity = options.activity ?? method !== 'GET';
    const query = { ...options.query, ...(activity ? {} : { no_track_activity: 1 }) };
    const init: RequestInit = { method, signal: options.signal };
    if (options.body !== undefined) {
      init.body = JSON.stringify(options.body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    let text: string;
    try {
      response = await ServerConnection.makeRequest(this.url(path, query), init, this.settings);
      text = await response.text();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof TypeError ? unreachable(this._trans) : error;
    }
    const body = parse(text);
    if (response.ok) {
      if (body === undefined) {
        throw plainFailure(response.status, this._trans.__('The answer is not JSON.'), this._trans);
      }
      return body as T;
    }
    if (isErrorBody(body)) {
      throw new ApiError(body, response.status);
    }
    if (response.status === 404) {
      throw extensionMissing(this._trans);
    }
    throw plainFailure(response.status, messageOf(body), this._trans);
  }
}

/** JSON of a body, null for an empty one, undefined for what is not JSON (a proxy's page, say). */
function parse(text: string): unknown {
  if (!text) {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isErrorBody(body: unknown): body is ErrorBody {
  const fields = body as Partial<ErrorBody> | null | undefined;
  return typeof fields?.code === 'string' && typeof fields.title === 'string';
}

/** Jupyter's own errors carry `{message}`. */
function messageOf(body: unknown): string {
  const message = (body as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : '';
}
