// The tab of a job: what a person finds there first.
import { expect, notebook, open, phase, pressRun, run, showPage, test } from './helpers';

const LOG = "import mlk_jupyter, os\nrank = int(os.environ['RANK'])\n";

test('a failure leads: the exception that began it, its cell and its log', async ({
  page,
  tmpPath
}) => {
  const raises =
    "import os, time\nif os.environ['RANK'] == '1':\n    time.sleep(1)\n    raise ValueError('shapes do not fit')\ntime.sleep(600)";
  await open(page, tmpPath, 'fails.ipynb', notebook("print('first cell')", raises));
  const dialog = await pressRun(page);
  await dialog.getByLabel('Workers').fill('2');
  const tab = await run(page, dialog);
  await expect(phase(tab)).toHaveText('Failed');

  const block = tab.getByRole('region', { name: 'Why it failed' });
  await expect(block.getByRole('heading')).toHaveText('Rank 1 failed first, in cell 2');
  await expect(block).toContainText('ValueError: shapes do not fit');
  await expect(block).not.toContainText('KeyboardInterrupt');

  await block.getByRole('button', { name: 'Go to cell' }).click();
  const cell = tab.locator('.mlk-LiveNotebook .jp-CodeCell').nth(1);
  await expect(cell).toBeInViewport();
  await expect(cell.locator('.jp-OutputArea-child').first()).toContainText('Rank 1 failed first');

  await showPage(tab, 'Overview');
  await block.getByRole('button', { name: 'Log of rank 1' }).click();
  await expect(tab.getByRole('log')).toContainText('ValueError: shapes do not fit');
  await expect(tab.getByRole('combobox', { name: 'Rank' })).toHaveValue('1');
});

test('metrics are numbers, curves of each rank, and jobs laid over each other', async ({
  page,
  tmpPath
}) => {
  const logs = `${LOG}mlk_jupyter.log_metric('final', 0.0015)
for step in range(20):
    mlk_jupyter.log_metric('loss', 1 / (step + 1) + rank, step=step)
    mlk_jupyter.log_metric('shared', step, step=step)`;
  await open(page, tmpPath, 'curves.ipynb', notebook(logs));
  const dialog = await pressRun(page);
  await dialog.getByLabel('Workers').fill('2');
  const first = await run(page, dialog);
  await expect(phase(first)).toHaveText('Succeeded');
  const tiles = first.getByRole('list', { name: 'Metrics' }).getByRole('listitem');
  await expect(tiles.filter({ hasText: 'final' })).toContainText('0.0015');
  await expect(tiles.filter({ hasText: 'loss' }).locator('svg')).toBeVisible();

  await page.getByRole('tab', { name: 'curves.ipynb' }).click();
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPage(tab, 'Metrics');
  const chart = (name: string) => tab.getByRole('figure').filter({ hasText: name });
  await expect(chart('final')).toHaveText('final0.0015');
  await expect(chart('final').locator('canvas')).toHaveCount(0);
  const panel = tab.getByRole('tabpanel', { name: 'Metrics' });
  const width = (await panel.boundingBox())!.width;
  const loss = (await chart('loss').boundingBox())!;
  const shared = (await chart('shared').boundingBox())!;
  expect(loss.width + shared.width, 'the charts fill the width').toBeGreaterThan(width - 100);

  await tab.getByLabel('Log scale').check();
  await tab.getByLabel('Smoothing').fill('0.8');
  await tab.getByLabel('Lay another job over these').selectOption({ index: 1 });
  await expect(tab.getByLabel('Jobs in these charts').getByRole('listitem')).toHaveCount(2);
  await expect(chart('loss').getByRole('listitem')).toHaveCount(2);
  await expect(chart('loss')).toContainText('Of each job the first process.');
  await tab.getByRole('button', { name: /^Take .* out$/ }).click();
  await expect(chart('loss').getByRole('listitem')).toHaveCount(0);
});

test('finding in a log counts while somebody types, goes on by arrows, and is cleared', async ({
  page,
  tmpPath
}) => {
  await open(
    page,
    tmpPath,
    'talks.ipynb',
    notebook("for i in range(300):\n    print('needle' if i % 100 == 0 else 'hay', i)")
  );
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPage(tab, 'Log');
  await expect(tab.getByRole('log')).toContainText('hay 299');
  await expect(tab.getByRole('combobox', { name: 'Rank' }), 'there is one only').toHaveCount(0);
  const field = tab.getByLabel('Find in the text shown');
  const marks = () =>
    page.evaluate(() =>
      ['mlk-log-match', 'mlk-log-current'].map(name => CSS.highlights.get(name)?.size ?? 0)
    );
  await field.fill('Needle');
  await expect(tab.getByText('3 places')).toBeVisible();
  expect(await marks()).toEqual([3, 0]);
  await tab.getByLabel('To the place before').click();
  await expect(tab.getByText('3 of 3')).toBeVisible();
  await tab.getByLabel('To the next place').click();
  await expect(tab.getByText('1 of 3')).toBeVisible();
  expect(await marks()).toEqual([3, 1]);
  await field.press('Escape');
  await expect(field).toHaveValue('');
  expect(await marks()).toEqual([0, 0]);
});

test('stopping says how long it takes and what each choice keeps, with one red button', async ({
  page,
  tmpPath
}) => {
  await open(page, tmpPath, 'sleeps.ipynb', notebook('import time\ntime.sleep(600)'));
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Running');
  await tab.getByRole('button', { name: 'Stop', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('have 30 s for it');
  await expect(dialog).toContainText('Checkpoints stay in its folder.');
  await expect(dialog).toContainText(
    'the checkpoints in its folder and the list entry are deleted'
  );
  await expect(dialog.locator('.jp-mod-warn')).toHaveText('Stop');
  await dialog.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(phase(tab)).toHaveText('Stopped');
  await expect(tab.getByRole('button', { name: 'Open notebook' })).toBeVisible();
});
