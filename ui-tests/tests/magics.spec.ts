import type { Page } from '@playwright/test';

import { begin, command, expect, hasRun, notebook, open, output, pictures, test } from './helpers';

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

/** The job for our extension, and what it was for all others. */
const FACES = ['application/vnd.mlk-jupyter.job+json', 'text/html', 'text/plain'];

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
  await pictures(page, 'live');

  await command(page, 'notebook:interrupt-kernel', {}, false);
  await hasRun(page, 1);
  await expect(display).toContainText(/lively-\w+ goes on/); // what was raised says so
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

  await again.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: /^Stop/ }).click();
  for (const one of [again, beside]) {
    await expect(one.getByRole('status')).toContainText('Stopped');
    await expect(one.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0);
  }
  for (const cell of [3, 4]) {
    const [bundle, ...more] = await saved(page, file, cell);
    expect(Object.keys(bundle).sort()).toEqual(FACES);
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
  await expect(output(page, 1).getByRole('status')).toContainText('Succeeded');
  const [bundle] = await saved(page, file, 1);
  expect(Object.keys(bundle).sort()).toEqual(FACES);
  expect(bundle['text/plain']).toContain('from the job 42');

  await page.evaluate(() => window.jupyterapp.serviceManager.sessions.shutdownAll());
  await command(page, 'application:close');
  await command(page, 'docmanager:open', { path: file, kernel: { name: null } });
  await expect(output(page, 1).getByRole('status')).toContainText('Succeeded');
  await expect(output(page, 1).getByRole('log')).toContainText('from the job 42');
});
