/* eslint-disable jupyter/no-untranslated-string -- the server says these words */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import type { GpuDevice, GpuHolder, GpuNode, Gpus } from '../../src/api';
import { command, expect, reload, setTheme, test } from './helpers';

const NOW = Date.now() / 1000;

const figureOf = (value: number) =>
  ({ value, source: 'prometheus', scope: 'pod', at: NOW, is_stale: false }) as const;

function holder(id: string, fields: Partial<GpuHolder> = {}): GpuHolder {
  return {
    ...{ kind: 'pod', id, name: id, user: 'ada', is_mine: false },
    ...{ resource: 'nvidia.com/gpu', count: 1, share: 1, since: NOW - 7200 },
    ...{ busy: figureOf(0.7), memory: figureOf(2 ** 36), cost_per_hour: 3.2, unused_since: null },
    ...fields
  };
}

function device(id: string, holders: readonly string[]): GpuDevice {
  const busy = Math.sin(id.length + Number(id.at(-1))) / 2 + 0.5;
  return {
    ...{ id, product: 'H200', profile: null, state: 'held', holders },
    ...{ busy: figureOf(busy), memory: figureOf(2 ** 36), memory_total_bytes: 2 ** 37 },
    power_w: figureOf(412),
    history: Array.from({ length: 30 }, (_, at) => Math.sin(at / 3 + busy) / 2 + 0.5)
  };
}

/** So many GPUs, eight a node; of the last one the person's kernel makes nothing. */
function told(count: number): Gpus {
  const nodes: GpuNode[] = Array.from({ length: Math.ceil(count / 8) }, (_, at) => {
    const size = Math.min(8, count - 8 * at);
    const ids = Array.from({ length: size }, (_, gpu) => `gpu-${at}-${gpu}`);
    return {
      ...{ name: `node-${at}`, instance_type: 'p5en.48xlarge', is_spot: at % 2 === 1 },
      ...{ is_ready: true, is_cordoned: false },
      resources: [
        {
          ...{
            name: 'nvidia.com/gpu',
            title: 'H200',
            product: 'H200',
            profile: null,
            sharing: 'none'
          },
          ...{ total: size, held: size, free: 0, usable_bytes: 2 ** 37, price_per_hour: 3.2 },
          ...{ price_low: 3.2, price_high: 3.2, price_words: 'list price' }
        }
      ],
      devices: ids.map(id => device(id, [`bert-${id}`])),
      holders: ids.map(id => holder(`bert-${id}`))
    };
  });
  const mine = holder('k1', {
    ...{ kind: 'kernel', name: 'eda.ipynb', is_mine: true },
    ...{ busy: figureOf(0), unused_since: NOW - 2520 }
  });
  return {
    places: [
      {
        ...{ backend: 'local', title: 'This machine', nodes, unallocated_per_hour: null },
        products:
          count > 0
            ? [{ product: 'H200 141GB', total: count, held: count, used: count / 2, free: 0 }]
            : [],
        sources: [
          {
            name: 'Prometheus',
            answers: count > 1,
            why: 'not set',
            hint: 'Set MLK_PROMETHEUS_URL.'
          }
        ],
        ...{ is_whole: true, why: null, hint: null }
      }
    ],
    mine: count > 0 ? [mine] : [],
    ...{ wasted_per_hour: count > 0 ? 3.2 : null, wasted_gpus: count > 0 ? 1 : null },
    advice:
      count > 0
        ? [
            {
              ...{ id: 'idle-1', kind: 'idle', title: 'eda.ipynb holds 1 GPU and uses none' },
              ...{ evidence: ['busy below 1 % for 42 min'], action: 'Stop it.', job: null },
              ...{ kernel: 'k1', saving_per_week: 84, is_certain: false }
            }
          ]
        : [],
    ...{ notes: [], currency: 'USD', now: NOW, sampled_at: NOW }
  };
}

/** Takes the place of what the server says of GPUs; all else is its own. */
async function fake(page: Page, count: number): Promise<void> {
  await page.routeWebSocket(/\/mlk\/channel/, socket => {
    const server = socket.connectToServer();
    socket.onMessage(message => {
      const { op, topic } = JSON.parse(String(message)) as { op: string; topic: string };
      if (topic !== 'gpus') {
        server.send(message);
      } else if (op === 'subscribe') {
        socket.send(JSON.stringify({ topic, kind: 'snapshot', seq: 0, data: told(count) }));
      }
    });
  });
}

async function violations(page: Page, selector: string): Promise<string[]> {
  const found = await new AxeBuilder({ page }).include(selector).analyze();
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}

for (const count of [0, 1, 64]) {
  test(`${count} GPUs are shown in the panel`, async ({ page }, info) => {
    await fake(page, count);
    await reload(page);
    await command(page, 'mlk:show-gpus');
    const section = page.locator('.mlk-GpusSection');
    if (count === 0) {
      await expect(section).toContainText('nvidia-smi');
    } else {
      await expect(section.getByRole('img')).toHaveAttribute('aria-label', /H200 141GB: /);
      await expect(page.locator('.mlk-Panel')).toContainText(`0 of ${count} free · $3.20/h unused`);
      await section.getByText(/^\d+ nodes?$/).click();
      await expect(section.locator('.mlk-GpuDevice')).toHaveCount(count);
      await section.getByRole('button', { name: /^Dismiss: / }).click();
      await expect(section.getByRole('button', { name: /^Undo: / })).toBeVisible();
    }
    for (const theme of ['Dark', 'Light'] as const) {
      await setTheme(page, theme);
      expect(await violations(page, '.mlk-GpusSection')).toEqual([]);
      await page.screenshot({ path: info.outputPath(`panel-${theme.toLowerCase()}.png`) });
    }
  });
}
