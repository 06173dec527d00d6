import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';

import {
  expect,
  notebook,
  open,
  phase,
  row,
  run,
  RUN,
  showPage,
  showPanel,
  setTheme,
  test
} from './helpers';
import {
  apiServer,
  call,
  fillNodes,
  freeNodes,
  IMAGE,
  liftQuota,
  ours,
  setQuota,
  tidy
} from './kube';

const PLAIN = notebook("print('from a pod')");
const ENDLESS = notebook(
  "print('quick')",
  "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.1)"
);

/** The dialog with an image named. */
async function dialogWithImage(page: Page): Promise<Locator> {
  await page.getByRole('button', { name: RUN }).click();
  const dialog = page.getByRole('dialog');
  const field = dialog
    .locator('.mlk-Field')
    .filter({ has: page.getByRole('textbox', { name: 'Image', exact: true }) });
  await expect(field).toContainText('No container image is named');
  await dialog.getByRole('textbox', { name: 'Image', exact: true }).fill(IMAGE);
  await expect(field).not.toContainText('No container image is named');
  return dialog;
}

/** Undoes what a test that failed half-way left in the cluster. */
test.afterEach(tidy);

async function faults(page: Page, within: string): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).include(within).analyze();
  return violations.map(({ id, nodes }) => `${id} ${nodes[0].html}`);
}

test('a job is submitted to the cluster, waits for a reason, runs live and succeeds', async ({
  page,
  tmpPath
}) => {
  await fillNodes();
  const steps =
    "import time\nfor i in range(12):\n    print(f'step {i}', flush=True)\n    time.sleep(0.5)";
  await open(page, tmpPath, 'pods.ipynb', notebook("print('first')", steps));
  const dialog = await dialogWithImage(page);
  const places = dialog.getByRole('group', { name: 'Where it runs' });
  await expect(places.getByRole('radio', { name: /^fake/ })).toBeChecked();
  await expect(places).toContainText('namespace default');
  await dialog.getByLabel('Workers', { exact: true }).fill('2');

  await dialog.getByText('What will be created').click();
  const yaml = dialog.getByRole('region', { name: 'YAML, as for kubectl apply' });
  await expect(yaml).toContainText('completionMode: Indexed');
  await expect(yaml).toContainText('completions: 2');
  await expect(yaml).toContainText(/image: "?local\/torch:1/);

  const tab = await run(page, dialog);
  await expect(phase(tab)).toHaveText('Queued');
  const overview = tab.getByRole('tabpanel', { name: 'Overview' });
  await expect(overview).toContainText(/Waiting: needs 2 × 1 core of CPU; none of the \d nodes/);
  await showPanel(page);
  await expect(row(page, 'pods')).toContainText('Waiting: needs 2 × 1 core of CPU');
  await expect(row(page, 'pods')).toContainText('2 workers');

  await freeNodes();
  await expect(phase(tab)).toHaveText('Running');
  await expect(overview).toContainText(/on node-\d/);
  await showPage(tab, 'Notebook');
  const live = tab.locator('.mlk-LiveNotebook');
  await expect(live.locator('[data-mlk-state="running"]')).toContainText('step 2');
  await expect(phase(tab)).toHaveText('Running');

  await expect(phase(tab)).toHaveText('Succeeded');
  await expect(live.locator('[data-mlk-state="ok"]')).toHaveCount(2);
  await expect(live).toContainText('step 11');
  await showPage(tab, 'Log');
  await tab.getByRole('combobox', { name: 'Rank' }).selectOption('1');
  await expect(tab.getByRole('log')).toContainText('step 11');
});

test('a quota that is too small is told before the job is submitted', async ({ page, tmpPath }) => {
  await setQuota({ 'requests.cpu': '1500m' });
  await open(page, tmpPath, 'quota.ipynb', PLAIN);
  const dialog = await dialogWithImage(page);
  const submit = dialog.getByRole('button', { name: 'Run', exact: true });
  await expect(submit).toBeEnabled();
  await dialog.getByLabel('Workers', { exact: true }).fill('2');
  await expect(dialog).toContainText(
    /Quota team on requests\.cpu: .* of 1\.5 cores .* asks for 2 cores/
  );
  await expect(submit).toBeDisabled();
  const before = await call<{ items: unknown[] }>('GET', '/apis/batch/v1/namespaces/default/jobs');

  await liftQuota();
  await dialog.getByLabel('Workers', { exact: true }).fill('1');
  await expect(submit).toBeEnabled();
  const after = await call<{ items: unknown[] }>('GET', '/apis/batch/v1/namespaces/default/jobs');
  expect(after.items).toHaveLength(before.items.length);
  await page.keyboard.press('Escape');
});

test('stopping keeps the record, deleting leaves nothing in the cluster', async ({
  page,
  tmpPath
}) => {
  await open(page, tmpPath, 'endless.ipynb', ENDLESS);
  const tab = await run(page, await dialogWithImage(page));
  await showPage(tab, 'Notebook');
  const running = tab.locator('.mlk-LiveNotebook [data-mlk-state="running"]');
  await expect(running).toContainText('begun');

  await tab.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(phase(tab)).toHaveText('Stopped');
  await expect(tab.locator('.mlk-LiveNotebook')).toContainText('begun');
  await expect(running).toHaveCount(0);
  await showPage(tab, 'Overview');
  const ranks = tab.locator('.mlk-Ranks tbody tr');
  await expect(ranks).toHaveCount(1);
  await expect(ranks.first()).toHaveAttribute('data-state', 'stopped');
  await showPanel(page);
  const id = await row(page, 'endless').getAttribute('data-job');
  expect((await ours()).filter(name => name.startsWith(id ?? '?'))).not.toEqual([]);

  await tab.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the job' }).click();
  await expect(tab).toHaveCount(0);
  await expect(row(page, 'endless')).toHaveCount(0);
  await expect
    .poll(async () => (await ours()).filter(name => name.startsWith(id ?? '?')))
    .toEqual([]);
});

test('a job that is stopped while it waits has ranks that never came', async ({
  page,
  tmpPath
}) => {
  await fillNodes();
  await open(page, tmpPath, 'early.ipynb', PLAIN);
  const tab = await run(page, await dialogWithImage(page));
  await expect(tab).toContainText('Waiting: needs');
  await tab.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(phase(tab)).toHaveText('Stopped');
  await expect(tab.locator('.mlk-Ranks')).not.toContainText('Waiting');
  await expect(tab.getByRole('list', { name: 'Notices' })).toHaveCount(0);
});

test('the panel says where jobs run and why, and when the API server is away', async ({
  page,
  tmpPath
}) => {
  await open(page, tmpPath, 'away.ipynb', ENDLESS);
  const tab = await run(page, await dialogWithImage(page));
  await expect(phase(tab)).toHaveText('Running');
  const panel = await showPanel(page);
  const title = panel.getByRole('heading', { name: 'Jobs run on' });
  const places = panel.getByRole('region', { name: 'Jobs run on' });
  const notice = panel.locator('.mlk-PlacesNotice').getByRole('status');
  await title.click();
  await expect(places).toContainText('context fake · namespace default');
  await expect(places).toContainText('fake answers');
  await expect(title).toContainText(/fake and 1 more · Live/);

  apiServer('gone');
  await expect(notice).toContainText(/fake: Reconnecting .* since \d\d:\d\d/);
  await expect(title).toContainText('Reconnecting');
  await title.click();
  await expect(places).toBeHidden();
  await expect(phase(tab)).toHaveText('Running');
  for (const theme of ['Light', 'Dark'] as const) {
    await setTheme(page, theme);
    expect(await faults(page, '.mlk-Panel')).toEqual([]);
  }

  apiServer('back');
  await expect(title).toContainText(/fake and 1 more · Live/);
  await expect(notice).toBeEmpty();
  await tab.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(phase(tab)).toHaveText('Stopped');
});

test('the dialog for a cluster has no accessibility faults, and keys reach all of it', async ({
  page,
  tmpPath
}) => {
  await open(page, tmpPath, 'keys.ipynb', PLAIN);
  const dialog = await dialogWithImage(page);
  await dialog.getByText('What will be created').click();
  await expect(dialog.getByRole('region', { name: /^YAML/ })).toContainText('kind: Job');
  for (const theme of ['Light', 'Dark'] as const) {
    await setTheme(page, theme);
    expect(await faults(page, '.mlk-SubmitDialog')).toEqual([]);
  }

  const reach = async (wanted: Locator) => {
    await expect(async () => {
      await page.keyboard.press('Tab');
      await expect(wanted).toBeFocused({ timeout: 1 });
    }).toPass({ intervals: [0] });
  };
  await reach(dialog.getByRole('radio', { name: /^fake/ }));
  await page.keyboard.press('ArrowDown');
  await expect(dialog.getByRole('radio', { name: /^This machine/ })).toBeChecked();
  await expect(dialog.getByRole('textbox', { name: 'Image', exact: true })).toHaveCount(0);
  await reach(dialog.getByRole('radio', { name: /^This machine/ }));
  await page.keyboard.press('ArrowUp');
  const image = dialog.getByRole('textbox', { name: 'Image', exact: true });
  await expect(image).toHaveValue(IMAGE);
  await reach(image);
  await reach(dialog.getByText('What will be created'));
  await reach(dialog.getByRole('button', { name: 'Copy the YAML' }));
  await reach(dialog.getByRole('region', { name: /^YAML/ }));
  await reach(dialog.getByRole('button', { name: 'Run', exact: true }));
  await page.keyboard.press('Enter');
  const tab = page.locator('.mlk-JobTab:visible');
  await expect(phase(tab)).toHaveText('Succeeded');
});

test('a job on this machine goes on beside the cluster', async ({ page, tmpPath }) => {
  await open(page, tmpPath, 'here.ipynb', PLAIN);
  await page.getByRole('button', { name: RUN }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /^This machine/ }).check();
  const tab = await run(page, dialog);
  await expect(phase(tab)).toHaveText('Succeeded');
  await showPanel(page);
  await expect(row(page, 'here')).toContainText('This machine');
});
