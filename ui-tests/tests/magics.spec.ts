import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Locator, Page } from '@playwright/test';

import { command, expect, notebook, open, setTheme, test } from './helpers';

const LONG = `%%k8s_train --name lively --env GREETING=hello
import os, time
import mlk_jupyter as mlk
for epoch in range(3000):
    print(os.environ['GREETING'], '<b>epoch</b>', epoch, flush=True)
    mlk.log_metric('loss', 1 / (1 + epoch), step=epoch)
    mlk.log_metric('accuracy', 1 - 1 / (2 + epoch), step=epoch)
    mlk.progress(min(0.9, epoch / 3000), f'epoch {epoch}')
    time.sleep(0.1)`;
const SHORT = `%%k8s_train --name quick --push x --pull y
y = x + 1
print('from the job', y)`;

/** The output below the nth cell. */
function output(page: Page, cell: number): Locator {
  return page.locator('.jp-NotebookPanel:visible .jp-CodeCell').nth(cell).locator('.jp-OutputArea');
}

/** Begins to run the nth cell, and does not wait for its end. */
async function begin(page: Page, cell: number): Promise<void> {
  await page.evaluate(async index => {
    const { content, sessionContext } = window.jupyterapp.shell.currentWidget as NotebookPanel;
    await sessionContext.ready; // without a kernel, core only clears the cell
    content.deselectAll();
    content.activeCellIndex = index;
  }, cell);
  await command(page, 'notebook:run-cell', {}, false);
}

/** The prompt of a cell that is not running and was run. */
async function hasRun(page: Page, cell: number): Promise<void> {
  const prompt = page
    .locator('.jp-NotebookPanel:visible .jp-CodeCell')
    .nth(cell)
    .locator('.jp-InputPrompt');
  await expect(prompt).toHaveText(/\[\d+\]/);
}

/** What the file has of the outputs of the nth cell. */
async function saved(
  page: Page,
  file: string,
  cell: number
): Promise<Record<string, string | string[]>[]> {
  await command(page, 'docmanager:save');
  const model = await page.evaluate(
    async path => window.jupyterapp.serviceManager.contents.get(path, { content: true }),
    file
  );
  return model.content.cells[cell].outputs
    .filter((one: { output_type: string }) => one.output_type === 'display_data')
    .map((one: { data: Record<string, string | string[]> }) => one.data);
}

async function pictures(page: Page, name: string): Promise<void> {
  for (const theme of ['Dark', 'Light'] as const) {
    await setTheme(page, theme);
    await page.screenshot({ path: test.info().outputPath(`${name}-${theme.toLowerCase()}.png`) });
  }
}

test('a cell trains as a job: shown live, left by an interrupt, found again by another kernel, stopped', async ({
  page,
  tmpPath
}) => {
  test.slow();
  const file = await open(
    page,
    tmpPath,
    'magics.ipynb',
    notebook(
      '%load_ext mlk_jupyter',
      LONG,
      '%k8s_jobs',
      "import mlk_jupyter as mlk\nmlk.job('lively')",
      "mlk.job('lively')"
    )
  );
  await begin(page, 0);
  await begin(page, 1);

  const display = output(page, 1);
  await expect(display.getByRole('status')).toContainText('Running');
  await expect(display.getByRole('log')).toContainText('hello <b>epoch</b>');
  await expect(display.getByRole('img', { name: /^loss, \d+ values$/ })).toBeVisible();
  await expect(display).toContainText(/epoch [1-9]\d*/);
  for (const name of ['Stop', 'Log', 'Open notebook']) {
    await expect(display.getByRole('button', { name, exact: true })).toBeVisible();
  }
  await pictures(page, 'live');

  await command(page, 'notebook:interrupt-kernel', {}, false);
  await hasRun(page, 1);
  await expect(display).toContainText(/lively-\w+ goes on/);
  await expect(display.getByRole('status')).toContainText('Running');
  const [left] = await saved(page, file, 1);
  expect(left['text/html']).toContain('goes on');
  expect(left['text/plain']).toContain('lively: Running');
  await pictures(page, 'left');

  await command(page, 'notebook:restart-kernel', {}, false);
  await page.getByRole('dialog').getByRole('button', { name: 'Confirm Kernel Restart' }).click();
  await begin(page, 0);
  await begin(page, 2);
  await expect(output(page, 2)).toContainText('lively');
  await expect(output(page, 2)).toContainText('Running');

  await begin(page, 3);
  await begin(page, 4);
  const again = output(page, 3);
  const beside = output(page, 4);
  await expect(again.getByRole('status')).toContainText('Running');
  await expect(beside.getByRole('status')).toContainText('Running');

  await again.getByRole('button', { name: 'Log', exact: true }).click();
  await expect(again.getByRole('log', { name: /^The log at/ })).toContainText('epoch');
  await again.getByRole('button', { name: 'Close log' }).click();
  await again.getByRole('button', { name: 'Open notebook' }).click();
  await expect(again).toContainText('so-far.ipynb');
  await again.getByRole('button', { name: 'Open it in JupyterLab' }).click();
  await expect(page.locator('.jp-NotebookPanel:visible .jp-Notebook')).toContainText('GREETING');
  await command(page, 'docmanager:open', { path: file });

  await again.getByRole('button', { name: 'Stop', exact: true }).click();
  await pictures(page, 'asking');
  await again.getByRole('button', { name: 'Stop the job' }).click();
  for (const one of [again, beside]) {
    await expect(one).toContainText('lively: Stopped');
    await expect(one.getByRole('button')).toHaveCount(0);
  }
  for (const cell of [3, 4]) {
    const [bundle, ...more] = await saved(page, file, cell);
    expect(Object.keys(bundle).sort()).toEqual(['text/html', 'text/plain']);
    expect(bundle['text/plain']).toContain('lively: Stopped');
    expect(more).toEqual([]);
  }
  await pictures(page, 'stopped');
});

test('a job that is waited for brings its values, and leaves a summary that needs no kernel', async ({
  page,
  tmpPath
}) => {
  const file = await open(
    page,
    tmpPath,
    'values.ipynb',
    notebook('%load_ext mlk_jupyter\nx = 41', SHORT, 'print(y)')
  );
  for (const cell of [0, 1, 2]) {
    await begin(page, cell);
  }
  await expect(output(page, 2)).toContainText('42');
  await expect(output(page, 1)).toContainText('quick: Succeeded');
  await expect(output(page, 1).getByRole('button')).toHaveCount(0);
  const [bundle] = await saved(page, file, 1);
  expect(Object.keys(bundle).sort()).toEqual(['text/html', 'text/plain']);
  expect(bundle['text/plain']).toContain('from the job 42');

  await page.evaluate(() => window.jupyterapp.serviceManager.sessions.shutdownAll());
  await command(page, 'application:close');
  await command(page, 'docmanager:open', { path: file, kernel: { name: null } });
  await expect(output(page, 1)).toContainText('quick: Succeeded');
  await expect(output(page, 1)).toContainText('from the job 42');
});
