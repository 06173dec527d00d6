import type { TranslationBundle } from '@jupyterlab/translation';

import type { ClusterOptions } from '../api';
import { duration } from '../components';

/** What was asked of the cluster, as far as anything was. Secrets and ConfigMaps by name. */
export function askedOfCluster(
  cluster: ClusterOptions,
  trans: TranslationBundle
): [string, string][] {
  const rows: [string, string | null | false][] = [
    [trans.__('Image'), cluster.image],
    [trans.__('Kind of job'), cluster.kind],
    [trans.__('CPU'), cluster.cpu],
    [trans.__('Memory'), cluster.memory],
    [trans.__('Shared memory'), cluster.shared_memory],
    [trans.__('Kind of GPU'), cluster.gpu_resource === COMMON_GPU ? null : cluster.gpu_resource],
    [trans.__('GPU model'), cluster.gpu_product],
    [trans.__('Queue'), cluster.queue],
    [trans.__('Priority class'), cluster.priority],
    [trans.__('Spot nodes'), spotText(cluster.spot, trans)],
    [trans.__('Node labels'), pairs(cluster.node_selector)],
    [trans.__('Nodes'), cluster.one_worker_per_node && trans.__('one for each worker')],
    [trans.__('Volumes'), cluster.volumes.map(({ path }) => path).join(', ')],
    [trans.__('Checkpoints'), cluster.checkpoints],
    [trans.__('Command before the start'), cluster.staging.join(' ')],
    [
      trans.__('Variables from'),
      cluster.env_from.map(({ secret, config_map: map }) => secret ?? map).join(', ')
    ],
    [trans.__('Service account'), cluster.service_account],
    [trans.__('Network'), cluster.network && networkText(cluster.network.allow, trans)],
    [
      trans.__('Restarts'),
      cluster.retries > 0 && trans._n('at most %1', 'at most %1', cluster.retries)
    ],
    [trans.__('Kept in the cluster'), duration(cluster.keep_s, trans)]
  ];
  return rows.filter((row): row is [string, string] => Boolean(row[1]));
}

/** The kind of GPU that needs no word. */
const COMMON_GPU = 'nvidia.com/gpu';

function spotText(spot: ClusterOptions['spot'], trans: TranslationBundle): string | null {
  switch (spot) {
    case 'allowed':
      return trans.__('may be used');
    case 'required':
      return trans.__('only these');
    case null:
      return null;
  }
}

function networkText(allow: readonly string[], trans: TranslationBundle): string {
  return allow.length === 0
    ? trans.__('the job by itself')
    : trans.__('the job by itself, and %1', allow.join(', '));
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}
