import AxeBuilder from '@axe-core/playwright';
import type { Locator } from '@playwright/test';

import {
  command,
  expect,
  notebook,
  open,
  phase,
  pressRun,
  run,
  setTheme,
  showPanel,
  submitDialog,
  test
} from './helpers';

/** A notebook whose first cell is tagged `parameters`. */
function withParameters(first: string, ...others: string[]): string {
  const content = JSON.parse(notebook(first, ...others)) as { cells: { metadata: object }[] };
  content.cells[0].metadata = { tags: ['parameters'] };
  return JSON.stringify(content);
}

const TRAINING = withParameters(
  "lr = 1e-1  # learning rate\nlayers = [8, 8]\noptimizer = 'adam'",
  "print('trained with', lr, layers, optimizer)"
);

function runButton(dialog: Locator): Locator {
  return dialog.getByRole('button', { name: 'Run', exact: true });
}

/** The input of a field: buttons beside it bear its name too. */
function field(dialog: Locator, name: string): Locator {
  return dialog.getByRole('textbox', { name, exact: true });
}

/** A field with what stands below it. */
function below(dialog: Locator, name: string): Locator {
  const input = dialog.page().getByRole('textbox', { name, exact: true });
  return dialog.locator('.mlk-Field').filter({ has: input });
}

test('a field shows the notebook, offers what was used last, and keeps nothing in the file', async ({
  page,
  tmpPath
}) => {
  const file = await open(page, tmpPath, 'train.ipynb', TRAINING);
  let dialog = await pressRun(page);
  await expect(field(dialog, 'lr')).toHaveValue('1e-1');
  await expect(field(dialog, 'layers')).toHaveValue('[8, 8]');
  await field(dialog, 'lr').fill('0.05');
  await field(dialog, 'Workers').fill('2');
  await expect(below(dialog, 'lr')).toContainText('notebook: 1e-1');
  await expect(dialog).toContainText('2 processes');
  await expect(runButton(dialog)).toBeEnabled();
  const tab = await run(page, dialog);
  await expect(phase(tab)).toHaveText('Succeeded');

  await command(page, 'docmanager:open', { path: file });
  dialog = await pressRun(page);
  await expect(field(dialog, 'lr')).toHaveValue('1e-1');
  await expect(field(dialog, 'Workers')).toHaveValue('1');
  await expect(dialog).toContainText('Last used: Workers 2 · lr 0.05');
  await expect(dialog).toContainText('Starts at once: 1 process of');
  await dialog.getByRole('button', { name: 'Use 0.05 for lr' }).click();
  await expect(field(dialog, 'lr')).toHaveValue('0.05');
  await dialog.getByRole('button', { name: 'Put lr back to 1e-1' }).click();
  await expect(field(dialog, 'lr')).toHaveValue('1e-1');
  await dialog.getByRole('button', { name: 'Use all of it' }).click();
  await expect(field(dialog, 'Workers')).toHaveValue('2');
  await expect(field(dialog, 'lr')).toHaveValue('0.05');
  await expect(dialog.getByText('Last used:')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  // Core writes down what the kernel says of its language; nothing in it is ours.
  const kept = (await (await page.request.get(`/api/contents/${file}`)).json()) as {
    content: { metadata: object };
  };
  expect(Object.keys(kept.content.metadata).sort()).toEqual(['kernelspec', 'language_info']);
});

test('each mistake stands below its field, in our words, light, dark, narrow and at 200 %', async ({
  page,
  tmpPath
}) => {
  await open(page, tmpPath, 'train.ipynb', TRAINING);
  const dialog = await pressRun(page);
  await field(dialog, 'Workers').fill('');
  await field(dialog, 'lr').fill('a tenth');
  await field(dialog, 'layers').fill('[8');
  await expect(below(dialog, 'Workers')).toContainText('a number, at least 1');
  await expect(below(dialog, 'lr')).toContainText('a number');
  await expect(below(dialog, 'layers')).toContainText('JSON, for example [1, 2]');
  await expect(runButton(dialog)).toBeDisabled();
  await expect(dialog).toContainText('Correct first: Workers, lr, layers');

  for (const theme of ['Light', 'Dark'] as const) {
    await setTheme(page, theme);
    for (const [width, height] of [
      [1400, 900],
      [700, 450], // 1400 × 900 at 200 %
      [480, 800]
    ]) {
      await page.setViewportSize({ width, height });
      const box = (await dialog.locator('.jp-Dialog-content').boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(width);
      expect(box.y + box.height).toBeLessThanOrEqual(height);
      const [wide, room] = await dialog
        .locator('.mlk-Form')
        .evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
      expect(wide, `the form, ${width} wide`).toBeLessThanOrEqual(room);
      await dialog.getByRole('button', { name: 'Go to the field Workers' }).click();
      await expect(field(dialog, 'Workers')).toBeFocused();
      await expect(field(dialog, 'Workers')).toBeInViewport();
      await expect(runButton(dialog)).toBeInViewport();
    }
    const { violations } = await new AxeBuilder({ page }).include('.mlk-SubmitDialog').analyze();
    expect(violations.map(({ id, nodes }) => `${theme}: ${id} ${nodes[0].html}`)).toEqual([]);
  }

  // What only the server finds stands there too, also in what is folded.
  await field(dialog, 'Workers').fill('1');
  await field(dialog, 'lr').fill('0.1');
  await field(dialog, 'layers').fill('[8, 8]');
  await field(dialog, 'Time limit').fill('2 weeks');
  await expect(below(dialog, 'Time limit')).toContainText('2h');
  await expect(runButton(dialog)).toBeDisabled();
  await field(dialog, 'Time limit').fill('');
  await dialog.getByText('More options').click();
  await dialog.getByRole('button', { name: 'Add a file or folder' }).click();
  await dialog.getByLabel('Files to carry along, 1').fill('not-there.csv');
  await expect(dialog.getByRole('group', { name: 'Files to carry along' })).toContainText(
    'not-there.csv'
  );
  await expect(dialog.locator('.mlk-Field-finding[data-level="error"]')).toHaveCount(1);
  await expect(dialog).not.toContainText(/files-\d/);
  await dialog.getByRole('button', { name: 'Remove item 1' }).click();
  await expect(runButton(dialog)).toBeEnabled();
});

test('without a notebook in front, one is chosen from the open ones and from folders, by keys', async ({
  page,
  tmpPath
}) => {
  await page.request.put(`/api/contents/${tmpPath}/inner`, { data: { type: 'directory' } });
  await page.request.put(`/api/contents/${tmpPath}/inner/deep.ipynb`, {
    data: { type: 'file', format: 'text', content: TRAINING }
  });
  await open(page, tmpPath, 'opened.ipynb', TRAINING);
  await command(page, 'filebrowser:go-to-path', { path: tmpPath });
  await command(page, 'launcher:create');
  await showPanel(page);
  await page.locator('.mlk-PanelHeader').getByRole('button', { name: 'Run as a job…' }).click();
  const dialog = page.getByRole('dialog');
  const opened = dialog.getByRole('list', { name: 'Open' }).getByRole('button');
  await expect(opened).toHaveText(new RegExp(`^opened.ipynb\\s+${tmpPath}`));
  await expect(opened).toBeFocused();

  const inner = dialog.getByRole('button', { name: 'inner/' });
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(inner).toBeFocused({ timeout: 1 });
  }).toPass({ intervals: [0] });
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('list', { name: /\/inner$/ })).toBeVisible();
  await expect(dialog.getByRole('button', { name: /^\.\./ })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(dialog.getByRole('button', { name: 'deep.ipynb' })).toBeFocused();
  await page.keyboard.press('Enter');
  const submit = await submitDialog(page);
  await expect(submit).toContainText('Run as a job: deep.ipynb');
  await expect(field(submit, 'Name')).toHaveValue('deep');
});

test('a notebook without parameters says how to have some', async ({ page, tmpPath }) => {
  await open(page, tmpPath, 'bare.ipynb', notebook('print(1)'));
  const dialog = await pressRun(page);
  await expect(dialog.getByRole('group', { name: 'Parameters' })).toContainText('press Add Tag');
});
