import type { TranslationBundle } from '@jupyterlab/translation';

import type { Figure, GpuHolder, GpuNode, GpuProduct, GpuResource, Gpus } from '../api';
import { ago, bytes, duration, figure, money } from '../components';

/** What was found out longer ago than so many seconds is said to be. */
const STALE_S = 120;

/** "3 of 8 free · $12.40/h unused"; empty where there is no GPU. */
export function summaryText(gpus: Gpus | null, trans: TranslationBundle): string {
  const products = gpus?.places.flatMap(place => place.products) ?? [];
  const total = products.reduce((sum, product) => sum + product.total, 0);
  if (!gpus || total === 0) {
    return '';
  }
  const free = sumOf(products.map(product => product.free));
  return [
    free === null ? trans._n('%1 GPU', '%1 GPUs', total) : trans.__('%1 of %2 free', free, total),
    wasteText(gpus, trans)
  ]
    .filter(Boolean)
    .join(' · ');
}

/** "$12.40/h unused", "2 GPUs unused"; null where nothing is known to be. */
export function wasteText(gpus: Gpus, trans: TranslationBundle): string | null {
  const { wasted_per_hour: perHour, wasted_gpus: count, currency } = gpus;
  if (perHour) {
    return trans.__('%1/h unused', money(perHour, currency));
  }
  return count ? trans._n('%1 GPU unused', '%1 GPUs unused', Number(count.toFixed(1))) : null;
}

/** null where one of them is not known. */
function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (sum, value) => (sum === null || value === null ? null : sum + value),
    0
  );
}

/** One stretch of a bar. */
export interface IStretch {
  readonly kind: 'used' | 'held' | 'unused' | 'free' | 'unknown';
  /** GPUs' worth. */
  readonly count: number;
  readonly text: string;
}

/** What a bar is made of, from left to right; all of it together is the product's `total`. */
export function stretchesOf(product: GpuProduct, trans: TranslationBundle): IStretch[] {
  const { total, held, used, free } = product;
  const stretches: IStretch[] = [];
  const add = (kind: IStretch['kind'], count: number, text: (count: number) => string): void => {
    if (count > 0.005) {
      stretches.push({ kind, count, text: text(Number(count.toFixed(1))) });
    }
  };
  const rest = total - (held ?? 0) - (free ?? 0);
  if (held !== null && used === null) {
    add('held', held, count => trans.__('%1 held, use unknown', count));
  } else if (held !== null && used !== null) {
    const busy = Math.min(used, held);
    add('used', busy, count => trans.__('%1 used', count));
    add('unused', held - busy, count => trans.__('%1 held and unused', count));
  }
  add('free', free ?? 0, count => trans.__('%1 free', count));
  add('unknown', rest, count =>
    held === null || free === null
      ? trans.__('%1 unknown', count)
      : trans.__('%1 not usable', count)
  );
  return stretches;
}

/** "71 %", "unknown"; of what is stale also since when. */
export function busyText(busy: Figure | null, now: number, trans: TranslationBundle): string {
  return busy
    ? aged(trans.__('busy %1 %', Math.round(busy.value * 100)), busy, now, trans)
    : trans.__('use unknown');
}

/** "18.2 of 80 GiB", "18.2 GiB", "memory unknown". */
export function memoryText(
  memory: Figure | null,
  total: number | null,
  trans: TranslationBundle
): string {
  if (!memory) {
    return trans.__('memory unknown');
  }
  return total === null
    ? bytes(memory.value)
    : trans.__('%1 of %2', bytes(memory.value), bytes(total));
}

function aged(
  text: string,
  { at, is_stale: isStale }: Figure,
  now: number,
  trans: TranslationBundle
): string {
  return isStale ? trans.__('%1 (%2)', text, ago(at, now, trans)) : text;
}

/** "2 × nvidia.com/gpu", with what that is worth where it is not whole GPUs. */
export function sizeText({ resource, count, share }: GpuHolder, trans: TranslationBundle): string {
  if (share !== count) {
    return trans.__('%1 × %2 (%3 GPU)', count, resource, figure(share, trans));
  }
  return trans._n('%1 GPU', '%1 GPUs', count);
}

/** "2 GPUs · busy 71 % · 18.2 GiB · for 2 h · $3.20/h": what is not known is said to be. */
export function holderText(
  holder: GpuHolder,
  currency: string,
  now: number,
  trans: TranslationBundle
): string {
  const { busy, memory, since, cost_per_hour: cost } = holder;
  return [
    sizeText(holder, trans),
    busyText(busy, now, trans),
    memoryText(memory, null, trans),
    since === null ? null : trans.__('for %1', long(now - since, trans)),
    cost === null ? trans.__('cost unknown') : trans.__('%1/h', money(cost, currency))
  ]
    .filter(Boolean)
    .join(' · ');
}

/** "unused for 42 min"; null where it works, or that is not known. */
export function unusedText(
  { unused_since: since }: GpuHolder,
  now: number,
  trans: TranslationBundle
): string | null {
  return since === null ? null : trans.__('unused for %1', long(now - since, trans));
}

/** A length of time in whole minutes once there are some. */
export function long(seconds: number, trans: TranslationBundle): string {
  return duration(seconds < 120 ? seconds : Math.floor(seconds / 60) * 60, trans);
}

/** "8 × H200: 5 held, 3 free, $3.20/h each". */
export function resourceText(
  resource: GpuResource,
  currency: string,
  trans: TranslationBundle
): string {
  const { title, total, held, free, price_per_hour: price } = resource;
  const facts = [
    held === null ? trans.__('held unknown') : trans.__('%1 held', held),
    free === null ? trans.__('free unknown') : trans.__('%1 free', free),
    price === null ? trans.__('price unknown') : trans.__('%1/h each', money(price, currency))
  ];
  return trans.__('%1 × %2: %3', total, title, facts.join(', '));
}

/** "p5.48xlarge · spot · cordoned". */
export function nodeText(node: GpuNode, trans: TranslationBundle): string {
  return [
    node.instance_type,
    node.is_spot ? trans.__('spot') : null,
    node.is_cordoned ? trans.__('takes no new pods') : null,
    node.is_ready ? null : trans.__('not ready')
  ]
    .filter(Boolean)
    .join(' · ');
}

/** "as of 2 min ago"; null while it is fresh. */
export function staleText(gpus: Gpus, now: number, trans: TranslationBundle): string | null {
  const { sampled_at: at } = gpus;
  return at !== null && now - at > STALE_S ? trans.__('as of %1', ago(at, now, trans)) : null;
}
