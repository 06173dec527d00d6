import type { Page } from '@playwright/test';

import { expect, open, pictures, row, showPanel, test } from './helpers';

/** A notebook with one parameter. */
const PI = JSON.stringify({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {
    kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' },
    language_info: { name: 'python' }
  },
  cells: [
    ['lr = 0.1\nseconds = 0', ['parameters']],
    [
      'import time\nimport mlk_jupyter as mlk\nmlk.log_metric("loss", lr)\nif lr > 1:\n    raise ValueError("lr is too large")\ntime.sleep(seconds)',
      []
    ]
  ].map(([source, tags], index) => ({
    id: `cell-${index}`,
    cell_type: 'code',
    execution_count: null,
    metadata: { tags },
    outputs: [],
    source
  }))
});

async function submit(page: Page, notebook: string, parameters: object): Promise<string> {
  const answer = await page.request.post('/mlk/jobs', {
    data: {
      spec: { name: 'pi', notebook, parameters, mlflow: false },
      request_id: crypto.randomUUID()
    }
  });
  expect(answer.ok(), await answer.text()).toBe(true);
  return ((await answer.json()) as { id: string }).id;
}

/** Makes the side panel so many pixels wide. */
async function widen(page: Page, width: number): Promise<void> {
  const panel = page.locator('.mlk-Panel');
  const box = (await panel.boundingBox())!;
  const edge = box.x + box.width + 2;
  await page.mouse.move(edge, 500);
  await page.mouse.down();
  await page.mouse.move(box.x + width, 500, { steps: 4 });
  await page.mouse.up();
  await expect.poll(async () => (await panel.boundingBox())!.width).toBeCloseTo(width, -2);
}

test('jobs of one name are told apart, filtered, and deleted together', async ({
  page,
  tmpPath
}) => {
  test.slow();
  const file = await open(page, tmpPath, 'pi.ipynb', PI);
  const panel = await showPanel(page);
  const ids = [];
  for (const parameters of [
    { lr: 0.05 },
    { lr: 0.2 },
    { lr: 3.5 },
    {},
    { seconds: 600, lr: 0.3 }
  ]) {
    ids.push(await submit(page, file, parameters));
  }
  // other tests have jobs too
  await panel.getByPlaceholder('Filter jobs').fill(tmpPath);
  const rows = panel.locator('.mlk-JobRow').filter({ hasText: /^pi/ });
  await expect(rows).toHaveCount(5);
  await expect(rows.filter({ hasText: 'Succeeded' })).toHaveCount(3);
  await expect(rows.filter({ hasText: 'Failed' })).toHaveCount(1);
  const titles = await rows.locator('.mlk-JobRow-open').allTextContents();
  expect(new Set(titles).size).toBe(5);
  expect(titles).toContain('pi · lr=0.05');
  expect(titles).toContain(`pi · ${ids[3].slice(3, 9)}`);

  await row(page, 'lr=0.05').getByRole('button').first().click();
  const tab = page.locator('.lm-TabBar-tab', { hasText: 'pi · lr=0.05' });
  await expect(tab).toBeVisible();
  await expect(panel.locator('[data-open="true"]')).toContainText('lr=0.05');

  const filter = panel.getByRole('group', { name: 'Show phases' });
  await pictures(page, 'namesakes');
  await widen(page, 250);
  await pictures(page, 'namesakes-narrow', panel);
  await widen(page, 760);
  await expect(panel.locator('.mlk-JobColumns')).toBeVisible();
  await pictures(page, 'namesakes-wide');
  await widen(page, 300);

  await filter.getByRole('button', { name: /Succeeded/ }).click();
  await expect(rows).toHaveCount(3);
  await rows.first().hover();
  await rows.first().getByRole('checkbox').click();
  await rows
    .last()
    .locator('.mlk-JobRow-open')
    .click({ modifiers: ['Shift'] });
  await expect(panel.locator('.mlk-Selection')).toContainText('3 of 3 selected');
  await pictures(page, 'selected', panel);
  await panel.getByRole('button', { name: 'Delete…', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Delete 3 jobs?');
  await expect(dialog).toContainText('pi · lr=0.05');
  await dialog.getByRole('button', { name: 'Delete 3 jobs' }).click();
  await expect(rows).toHaveCount(0);
  await filter.getByRole('button', { name: /Succeeded/ }).click();
  await expect(rows).toHaveCount(2);
  await expect(tab).toBeHidden();
  await Promise.all(ids.map(id => page.request.delete(`/mlk/jobs/${id}`)));
});
