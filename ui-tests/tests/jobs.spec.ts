import {
  expect,
  notebook,
  open,
  phase,
  pressRun,
  row,
  run,
  showPage,
  showPanel,
  test
} from './helpers';

test('a job that fails says where and why, and the dialog to run it again is filled in', async ({
  page,
  tmpPath
}) => {
  await open(
    page,
    tmpPath,
    'broken.ipynb',
    notebook("print('before')", "{}['train']", "print('never')")
  );
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Failed');

  await showPanel(page);
  await expect(row(page, 'broken')).toContainText(/cell 2.*KeyError: 'train'/);
  await expect(tab.getByRole('tabpanel', { name: 'Overview' })).toContainText('KeyError');

  await showPage(tab, 'Notebook');
  const cells = tab.locator('.mlk-LiveNotebook .jp-CodeCell');
  await expect(cells.nth(0)).toHaveAttribute('data-mlk-state', 'ok');
  await expect(cells.nth(0)).toContainText('before');
  await expect(cells.nth(1)).toHaveAttribute('data-mlk-state', 'error');
  await expect(cells.nth(1)).toContainText("KeyError: 'train'");
  await expect(cells.nth(2)).toHaveAttribute('data-mlk-state', 'waiting');

  await tab.getByRole('button', { name: 'Run again' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Name')).toHaveValue('broken');
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();

  await tab.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the job' }).click();
  await expect(tab).toHaveCount(0);
  await expect(row(page, 'broken')).toHaveCount(0);
});

test('outputs appear while a cell runs, and a stopped job keeps what it showed', async ({
  page,
  tmpPath
}) => {
  const endless = "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.1)";
  await open(page, tmpPath, 'endless.ipynb', notebook("print('quick')", endless));
  const tab = await run(page, await pressRun(page));
  await showPage(tab, 'Notebook');
  const running = tab.locator('.mlk-LiveNotebook [data-mlk-state="running"]');
  await expect(running).toContainText('begun');
  await expect(tab.getByRole('button', { name: 'Follow' })).toHaveAttribute('aria-pressed', 'true');

  await tab.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(phase(tab)).toHaveText('Stopped');
  await expect(tab.locator('.mlk-LiveNotebook')).toContainText('begun');
  await expect(running).toHaveCount(0);
});

test('text, carriage returns, colours, updates and clears are shown as a kernel would', async ({
  page,
  tmpPath
}) => {
  await open(
    page,
    tmpPath,
    'outputs.ipynb',
    notebook(
      "import sys\nfor i in range(5):\n    print(f'\\rstep {i}', end='', flush=True)",
      "print('\\x1b[31mred\\x1b[0m <b>not bold</b>')",
      "from IPython.display import display, clear_output\nh = display('first', display_id=True)\nh.update('second')",
      "print('gone'); clear_output(wait=True); print('stays')",
      'from IPython.display import HTML\nHTML(\'<p>kind</p><script>document.title = "owned"</script>\')'
    )
  );
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPage(tab, 'Notebook');
  const outputs = tab.locator('.mlk-LiveNotebook .jp-CodeCell .jp-Cell-outputArea');
  await expect(outputs.nth(0)).toHaveText('step 4');
  await expect(outputs.nth(1).locator('.ansi-red-fg')).toHaveText('red');
  await expect(outputs.nth(1)).toContainText('<b>not bold</b>');
  await expect(outputs.nth(2)).toContainText("'second'");
  await expect(outputs.nth(2)).not.toContainText("'first'");
  await expect(outputs.nth(3)).toHaveText('stays');
  await expect(outputs.nth(4)).toContainText('kind');
  expect(await page.title()).not.toContain('owned');

  await showPage(tab, 'Log');
  await expect(tab.getByRole('log').locator('.ansi-red-fg')).toHaveText('red');
  await expect(tab.getByRole('log')).toContainText('<b>not bold</b>');
});
