// A server that lives in the test.
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import type { BackendInfo, ClusterOptions, JobSummary, Message, Topic } from '../api';
import type { IBackends } from '../tokens';

export const trans = nullTranslator.load('mlk_jupyter');

/** A websocket whose other end is the test. */
export class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];

  static get last(): FakeSocket {
    return FakeSocket.all[FakeSocket.all.length - 1];
  }

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  readyState = 0;
  readonly sent: Topic[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Topic);
  }

  close(): void {
    this.readyState = 3;
  }

  /** The server accepts. */
  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  /** The connection breaks. */
  break(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  tell(message: Message): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  snapshot(topic: string, data: unknown): void {
    this.tell({ topic, kind: 'snapshot', seq: 0, data });
  }

  delta(topic: string, seq: number, data: unknown): void {
    this.tell({ topic, kind: 'delta', seq, data });
  }
}

/** An answer of the server. */
export function answer(status: number, body: unknown): Response {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return new Response(status === 204 ? null : text, { status });
}

/** Settings whose requests go to `serve` and whose sockets are fakes. */
export function settings(
  serve: (request: Request) => Response | Promise<Response> = () => answer(200, {}),
  options: Partial<ServerConnection.ISettings> = {}
): ServerConnection.ISettings {
  FakeSocket.all = [];
  return ServerConnection.makeSettings({
    baseUrl: 'http://localhost:8888/user/me/',
    wsUrl: 'ws://localhost:8888/user/me/',
    appendToken: false,
    fetch: async input => serve(input as Request),
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    ...options
  });
}

export function job(id: string, fields: Partial<JobSummary> = {}): JobSummary {
  return {
    id,
    name: id,
    notebook: `${id}.ipynb`,
    backend: 'local',
    phase: 'Running',
    reason: null,
    workers: 1,
    gpus: 0,
    world_size: 1,
    grace_period_s: 30,
    changed: {},
    submitted_by: null,
    progress: {
      cells_done: 0,
      cells_total: null,
      cell: null,
      fraction: null,
      text: null,
      eta_s: null
    },
    metrics: [],
    error: null,
    run: null,
    created_at: 1000,
    started_at: null,
    finished_at: null,
    attempt: 1,
    ...fields
  };
}

/** This machine, or with other fields a cluster. */
export function backend(name: string, fields: Partial<BackendInfo> = {}): BackendInfo {
  return {
    name,
    kind: name === 'local' ? 'local' : 'kubernetes',
    title: name === 'local' ? 'This machine' : name,
    why: 'It is the only one.',
    cores: null,
    memory_bytes: null,
    gpus: null,
    gpus_free: null,
    gpu_names: [],
    gpus_why: null,
    context: null,
    namespace: null,
    server_version: null,
    watch: name === 'local' ? 'idle' : 'live',
    watch_why: null,
    rights: [],
    kinds: [],
    queues: [],
    image: null,
    ...fields
  };
}

/** The places where jobs run, as a test says. */
export function places(...all: BackendInfo[]) {
  const fake = {
    all: all as readonly BackendInfo[],
    load: () => Promise.resolve(fake.all),
    get: (name: string) => fake.all.find(each => each.name === name),
    changed: new Signal<IBackends, void>({} as IBackends)
  };
  return fake;
}

/** What is asked of a cluster by who asks for nothing. */
export function cluster(fields: Partial<ClusterOptions> = {}): ClusterOptions {
  return {
    image: null,
    image_pull_policy: null,
    image_pull_secrets: [],
    kind: null,
    cpu: null,
    memory: null,
    shared_memory: null,
    gpu_resource: 'nvidia.com/gpu',
    gpu_product: null,
    node_selector: {},
    affinity: null,
    tolerations: [],
    one_worker_per_node: false,
    spot: null,
    queue: null,
    priority: null,
    service_account: null,
    env_from: [],
    volumes: [],
    checkpoints: null,
    staging: [],
    staging_image: null,
    network: null,
    run_as: 'restricted',
    keep_s: 604800,
    retries: 0,
    labels: {},
    annotations: {},
    ...fields
  };
}
