import { readFileSync } from 'node:fs';

import {
  EXAMPLE,
  expect,
  jobTab,
  open,
  phase,
  pressRun,
  row,
  reload,
  run,
  showPage,
  showPanel,
  test
} from './helpers';

test('the example runs from the button, survives a reload, and leaves accuracy, plot and run', async ({
  page,
  tmpPath
}) => {
  const source = await open(page, tmpPath, 'digits_ddp.ipynb', readFileSync(EXAMPLE, 'utf8'));
  const dialog = await pressRun(page);
  await dialog.getByLabel('Workers').fill('2');
  await expect(dialog).toContainText('2 processes');
  await expect(dialog.getByRole('button', { name: 'Run', exact: true })).toBeEnabled();

  let tab = await run(page, dialog);
  await showPanel(page);
  await expect(row(page, 'digits_ddp')).toContainText('2 workers');

  // JupyterLab writes down what is open a moment after it changed.
  const saved = page.waitForResponse(
    answer =>
      answer.url().includes('/api/workspaces/') &&
      (answer.request().postData() ?? '').includes('"page":"notebook"')
  );
  await showPage(tab, 'Notebook');
  await saved;
  const finished = '.mlk-LiveNotebook [data-mlk-state="ok"]';
  await expect(tab.locator(finished).first()).toBeAttached({ timeout: 120_000 });

  await reload(page);
  tab = await jobTab(page);
  await expect(tab.getByRole('tab', { name: 'Notebook' })).toHaveAttribute('aria-selected', 'true');
  await expect(phase(tab)).toHaveText('Succeeded', { timeout: 120_000 });

  const live = tab.locator('.mlk-LiveNotebook');
  await expect(live.getByText(/Test accuracy: 0\.9\d+/)).toBeAttached();
  await expect(live.locator('.jp-RenderedImage img').first()).toBeAttached();
  const cells = JSON.parse(readFileSync(EXAMPLE, 'utf8')).cells as { cell_type: string }[];
  const code = cells.filter(cell => cell.cell_type === 'code').length;
  await expect(tab.locator(finished)).toHaveCount(code);

  await showPage(tab, 'Metrics');
  await expect(tab.getByRole('img', { name: /^accuracy: last 0\.9/ })).toBeVisible();
  await expect(tab.getByRole('img', { name: /^loss: last/ })).toBeVisible();

  await showPage(tab, 'Log');
  await expect(tab.getByRole('log')).toContainText('2 ranks on cpu');
  await tab.getByRole('combobox', { name: 'Rank' }).selectOption('1');
  await expect(tab.getByRole('log')).toContainText('Test accuracy');
  await tab.getByLabel('Find in the text shown').fill('accuracy');
  await tab.getByLabel('Find in the text shown').press('Enter');
  await expect(tab.getByText(/^1 of \d+$/)).toBeVisible();

  await showPage(tab, 'Overview');
  const overview = tab.getByRole('tabpanel', { name: 'Overview' });
  await expect(overview.getByRole('row')).toHaveCount(3);
  await expect(overview.getByText('in experiment digits_ddp')).toBeVisible();
  await expect(overview.getByLabel('Metrics')).toContainText(/0\.9\d/);

  await showPage(tab, 'Notebook');
  await tab.getByRole('button', { name: 'Save a copy…' }).click();
  const ask = page.getByRole('dialog');
  await expect(ask.getByRole('textbox')).toHaveValue(
    new RegExp(`^${tmpPath}/digits-ddp-\\w+\\.ipynb$`)
  );
  const copy = await ask.getByRole('textbox').inputValue();
  await ask.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('tab', { name: copy.split('/').pop() })).toBeVisible();
  for (const file of [source, copy]) {
    expect((await page.request.get(`/api/contents/${file}`)).ok()).toBe(true);
  }
});
