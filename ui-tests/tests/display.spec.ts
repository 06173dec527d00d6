import type { Locator, Page } from '@playwright/test';

import { begin, command, expect, notebook, open, output, pictures, reload, test } from './helpers';

/** A cell that waits for a job of many steps. */
const training = (name: string): string => `%%k8s_train --name ${name} --no-mlflow
import time
import mlk_jupyter as mlk
for step in range(6000):
    print('step', step, flush=True)
    mlk.log_metric('loss', 1 / (1 + step), step=step)
    mlk.progress(min(0.9, step / 6000), f'step {step}')
    time.sleep(0.1)`;

async function start(page: Page, folder: string, name: string): Promise<[Locator, string]> {
  const file = await open(
    page,
    folder,
    `${name}.ipynb`,
    notebook('%load_ext mlk_jupyter', training(name))
  );
  await begin(page, 0);
  await begin(page, 1);
  const display = output(page, 1);
  await expect(display.getByRole('status')).toContainText('Running');
  await expect(display.getByRole('log')).toContainText(/step \d+/);
  return [display, file];
}

/** Until the log below the cell has gone on. */
async function goesOn(display: Locator): Promise<void> {
  const before = await display.getByRole('log').textContent();
  await expect(display.getByRole('log')).not.toHaveText(before ?? '');
}

async function stop(page: Page, display: Locator): Promise<void> {
  await display.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: /^Stop/ }).click();
  await expect(display.getByRole('status')).toContainText('Stopped');
}

/** The prompt of a cell whose kernel has not answered yet. */
function waits(page: Page, cell: number): Locator {
  return page
    .locator('.jp-NotebookPanel:visible .jp-CodeCell')
    .nth(cell)
    .locator('.jp-InputPrompt', { hasText: '[*]' });
}

test('a job is stopped under the cell that waits for it', async ({ page, tmpPath }) => {
  const [display] = await start(page, tmpPath, 'waiting');
  await expect(waits(page, 1)).toBeVisible();
  await expect(display.getByRole('img', { name: /^loss, \d+ values$/ })).toBeVisible();
  await pictures(page, 'waiting');
  await stop(page, display);
  await expect(waits(page, 1)).toBeHidden();
});

test('a display outlives its kernel and its page, and leads to the job', async ({
  page,
  tmpPath
}) => {
  test.slow();
  const [display, file] = await start(page, tmpPath, 'outliving');
  await command(page, 'docmanager:save');
  await command(page, 'notebook:restart-kernel', {}, false);
  await page.getByRole('dialog').getByRole('button', { name: 'Confirm Kernel Restart' }).click();
  await expect(waits(page, 1)).toBeHidden();
  await goesOn(display);
  await pictures(page, 'restarted');

  await page.evaluate(() => window.jupyterapp.serviceManager.sessions.shutdownAll());
  await reload(page);
  await command(page, 'docmanager:open', { path: file, kernel: { name: null } });
  const again = output(page, 1);
  await expect(again.getByRole('status')).toContainText('Running');
  await goesOn(again);
  await expect(again).not.toContainText('Error');
  await pictures(page, 'reloaded');
  const narrow = again.locator('.mlk-JobDisplay');
  await narrow.evaluate(node => (node.style.maxWidth = '250px'));
  await pictures(page, 'narrow', narrow);
  await narrow.evaluate(node => (node.style.maxWidth = ''));

  await again.getByRole('button', { name: 'Open job' }).click();
  await expect(page.locator('.mlk-JobTab:visible')).toContainText('outliving');
  await command(page, 'docmanager:open', { path: file });
  await stop(page, again);
});

test('where the server does not know the job, the notebook shows what it was', async ({
  page,
  tmpPath
}) => {
  const content = JSON.parse(notebook('pass')) as { cells: { outputs: object[] }[] };
  content.cells[0].outputs = [
    {
      output_type: 'display_data',
      metadata: {},
      data: {
        'application/vnd.mlk-jupyter.job+json': { id: 'elsewhere-0a1b2c' },
        'text/html': '<p>elsewhere: Succeeded in 7 s</p>',
        'text/plain': 'elsewhere: Succeeded in 7 s'
      }
    }
  ];
  await open(page, tmpPath, 'elsewhere.ipynb', JSON.stringify(content));
  await expect(output(page, 0)).toHaveText('elsewhere: Succeeded in 7 s');
  await expect(output(page, 0).getByRole('button')).toHaveCount(0);
});
