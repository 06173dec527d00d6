import AxeBuilder from '@axe-core/playwright';
import type { Locator } from '@playwright/test';

import {
  expect,
  jobTab,
  notebook,
  open,
  phase,
  pressRun,
  reload,
  run,
  showPage,
  showPanel,
  submitDialog,
  setTheme,
  test
} from './helpers';

const LOGS = [
  'import mlk_jupyter',
  'for step in range(5):',
  "    mlk_jupyter.log_metric('loss', 1 / (step + 1), step)",
  "print('done')"
].join('\n');

test('panel and tab have no accessibility faults, in light and dark', async ({ page, tmpPath }) => {
  await open(page, tmpPath, 'plain.ipynb', notebook(LOGS));
  const tab = await run(page, await pressRun(page));
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPanel(page);
  for (const theme of ['Light', 'Dark'] as const) {
    await setTheme(page, theme);
    for (const name of ['Overview', 'Notebook', 'Log', 'Metrics']) {
      await showPage(tab, name);
      if (name === 'Metrics') {
        await expect(tab.getByRole('img', { name: /^loss: last 0\.2/ })).toBeVisible();
        await expect
          .poll(() =>
            tab.locator('.mlk-Chart canvas').evaluate(canvas => (canvas as HTMLCanvasElement).width)
          )
          .toBeGreaterThan(100);
      }
      const { violations } = await new AxeBuilder({ page })
        .include('.mlk-Panel')
        .include('.mlk-JobTab')
        // core's own cells are core's to make accessible
        .exclude('.mlk-LiveNotebook')
        .analyze();
      expect(
        violations.map(({ id, nodes }) => `${theme}, ${name}: ${id} ${nodes[0].html}`)
      ).toEqual([]);
    }
  }
});

test('a job is submitted and looked at with the keyboard alone', async ({ page, tmpPath }) => {
  await open(page, tmpPath, 'keys.ipynb', notebook("print('by keys')"));
  await page.keyboard.press('Control+Alt+k');
  const dialog = await submitDialog(page);
  const submit = dialog.getByRole('button', { name: 'Run', exact: true });
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(submit).toBeFocused({ timeout: 1 });
  }).toPass({ intervals: [0] });
  await page.keyboard.press('Enter');

  const tab = await jobTab(page);
  const overview = tab.getByRole('tab', { name: 'Overview' });
  await expect(overview).toBeFocused();
  await page.keyboard.press('ArrowRight');
  await expect(tab.getByRole('tab', { name: 'Notebook' })).toBeFocused();
  await expect(tab.getByRole('tabpanel', { name: 'Notebook' })).toContainText('by keys');
  await page.keyboard.press('End');
  await expect(tab.getByRole('tab', { name: 'Metrics' })).toHaveAttribute('aria-selected', 'true');
  await expect(tab.getByRole('tabpanel', { name: 'Metrics' })).toContainText(
    'has logged no metrics'
  );
  await page.keyboard.press('Home');
  await expect(overview).toBeFocused();
});

test('a section is folded with the keyboard, and stays so when the page is loaded again', async ({
  page
}) => {
  let panel = await showPanel(page);
  const title = (name: string | RegExp) => panel.getByRole('heading', { name });
  // On a busy machine the launcher takes the focus a little after the page is there: what it took is pressed again.
  const set = (heading: Locator, expanded: string) =>
    expect(async () => {
      if ((await heading.getAttribute('aria-expanded')) !== expanded) {
        await heading.press('Enter');
      }
      await expect(heading).toHaveAttribute('aria-expanded', expanded, { timeout: 1000 });
    }).toPass();
  await set(title('Jobs run on'), 'true');
  await expect(async () => {
    await title('Jobs run on').focus();
    for (const name of ['Kernels', 'GPUs', /^Jobs(?! run)/]) {
      await page.keyboard.press('ArrowUp');
      await expect(title(name)).toBeFocused({ timeout: 1000 });
    }
  }).toPass();
  const kept = page.waitForResponse(
    response =>
      response.url().includes('/api/workspaces') &&
      /"jobs":\s*false/.test(response.request().postData() ?? '')
  );
  await set(title(/^Jobs(?! run)/), 'false');
  await expect(panel.locator('.mlk-Jobs')).toBeHidden();

  await kept; // core writes what it remembers a little later
  await reload(page);
  panel = await showPanel(page);
  await expect(title('Jobs run on')).toHaveAttribute('aria-expanded', 'true');
  await expect(title(/^Jobs(?! run)/)).toHaveAttribute('aria-expanded', 'false');
});
