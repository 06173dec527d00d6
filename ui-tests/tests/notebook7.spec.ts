import { expect, test } from '@playwright/test';

import { notebook, phase, pressRun, run, showPage } from './helpers';

test('Notebook 7 has the button in its toolbar and shows the job', async ({ page, request }) => {
  const saved = await request.put('/api/contents/classic.ipynb', {
    data: {
      type: 'notebook',
      format: 'json',
      content: JSON.parse(notebook("print('in Notebook 7')"))
    }
  });
  expect(saved.ok()).toBe(true);
  await page.goto('/notebooks/classic.ipynb');
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPage(tab, 'Notebook');
  await expect(tab.locator('.mlk-LiveNotebook')).toContainText('in Notebook 7');
});
