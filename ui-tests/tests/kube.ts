import { readFileSync } from 'node:fs';
import { request } from 'node:https';

/** The tests' cluster, as kubectl would use it. It runs as a process that tests/browser/test_browser.py starts. */
export const NAMESPACE = '/api/v1/namespaces/default';
export const IMAGE = 'local/torch:1';

interface IObject {
  metadata: { name: string; labels?: Record<string, string> };
}

interface ICluster {
  server: string;
  authority: string;
  token: string;
}

let known: ICluster | null = null;

function cluster(): ICluster {
  if (known === null) {
    // Only what the tests' cluster writes is read here: one cluster, one user with a token file.
    const text = readFileSync(process.env.MLK_UI_KUBECONFIG ?? '', 'utf8');
    const value = (key: string) => new RegExp(`${key}: (\\S+)`).exec(text)?.[1] ?? '';
    known = {
      server: value('server'),
      authority: Buffer.from(value('certificate-authority-data'), 'base64').toString(),
      token: readFileSync(value('tokenFile'), 'utf8').trim()
    };
  }
  return known;
}

/** One request to the API server. What is to be deleted may be gone already. */
export function call<T = unknown>(method: string, path: string, body?: object): Promise<T> {
  const { server, authority, token } = cluster();
  return new Promise((resolve, reject) => {
    const sent = request(
      `${server}${path}`,
      {
        method,
        ca: authority,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      },
      answer => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          const isMissed = method === 'DELETE' && answer.statusCode === 404;
          if ((answer.statusCode ?? 500) >= 400 && !isMissed) {
            reject(new Error(`${method} ${path}: ${text}`));
          } else {
            resolve(JSON.parse(text) as T);
          }
        });
      }
    );
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** Names of all objects that jobs left or have in the cluster. */
export async function ours(): Promise<string[]> {
  const places = [
    `${NAMESPACE}/pods`,
    `${NAMESPACE}/configmaps`,
    `${NAMESPACE}/services`,
    '/apis/batch/v1/namespaces/default/jobs'
  ];
  const lists = await Promise.all(places.map(place => call<{ items: IObject[] }>('GET', place)));
  return lists
    .flatMap(({ items }) => items)
    .filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/managed-by'] === 'mlk-jupyter')
    .map(({ metadata }) => metadata.name);
}

async function nodes(): Promise<string[]> {
  const { items } = await call<{ items: IObject[] }>('GET', '/api/v1/nodes');
  return items.map(({ metadata }) => metadata.name);
}

/** Takes nearly all CPUs of every node, so that what comes next waits. */
export async function fillNodes(): Promise<void> {
  for (const nodeName of await nodes()) {
    await call('POST', `${NAMESPACE}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `filler-${nodeName}` },
      spec: {
        nodeName,
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'filler',
            image: 'local/filler:1',
            command: ['sleep', '600'],
            resources: { requests: { cpu: '15500m' } }
          }
        ]
      }
    });
  }
}

export async function freeNodes(): Promise<void> {
  for (const name of await nodes()) {
    await call('DELETE', `${NAMESPACE}/pods/filler-${name}`);
  }
}

/** A quota for the namespace. */
export async function setQuota(hard: Record<string, string>): Promise<void> {
  await call('POST', `${NAMESPACE}/resourcequotas`, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'team' },
    spec: { hard }
  });
}

export async function liftQuota(): Promise<void> {
  await call('DELETE', `${NAMESPACE}/resourcequotas/team`);
}

/** The API server is gone, or back. What runs in the cluster goes on meanwhile. */
export function apiServer(is: 'gone' | 'back'): void {
  process.kill(Number(process.env.MLK_UI_CLUSTER_PID), is === 'gone' ? 'SIGUSR1' : 'SIGUSR2');
}

/** As the cluster was at the start, jobs aside. */
export async function tidy(): Promise<void> {
  apiServer('back');
  await freeNodes();
  await liftQuota();
}
