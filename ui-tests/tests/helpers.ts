import path from 'node:path';

import type { IJupyterLabPageFixture } from '@jupyterlab/galata';
import { test as base } from '@jupyterlab/galata';
import type { Locator, Page } from '@playwright/test';
import { expect } from '@playwright/test';

/** The button in a notebook's toolbar, whatever place it runs on. */
export const RUN = /^Run (as a job|on cluster)$/;

export const EXAMPLE = path.join(__dirname, '..', '..', 'examples', 'digits_ddp.ipynb');

/** Galata's test, ready when the layout is restored: its own waits for a launcher, which a restored page lacks. */
export const test = base.extend({
  waitForApplication: async ({}, use) => {
    await use(async page => {
      await page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
      await page.evaluate(() => window.jupyterapp.restored.then(() => undefined));
    });
  }
});

/** A notebook with these code cells. */
export function notebook(...cells: string[]): string {
  return JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' },
      language_info: { name: 'python' }
    },
    cells: cells.map((source, index) => ({
      id: `cell-${index}`,
      cell_type: 'code',
      execution_count: null,
      metadata: {},
      outputs: [],
      source
    }))
  });
}

/** Writes a notebook into the test's folder and opens it. Gives its path. */
export async function open(
  page: IJupyterLabPageFixture,
  folder: string,
  name: string,
  content: string
): Promise<string> {
  const file = `${folder}/${name}`;
  await page.contents.uploadContent(content, 'text', file);
  await page.evaluate(async path => {
    await window.jupyterapp.commands.execute('docmanager:open', { path });
  }, file);
  await expect(page.getByRole('button', { name: RUN })).toBeVisible();
  return file;
}

/** The dialog that submits, with its form and its preflight there. */
export async function submitDialog(page: Page): Promise<Locator> {
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Run', exact: true })).toBeEnabled();
  return dialog;
}

/** Presses the button in the toolbar of the notebook in front. */
export async function pressRun(page: Page): Promise<Locator> {
  await page.getByRole('button', { name: RUN }).click();
  return submitDialog(page);
}

/** Submits what the dialog holds; gives the tab that opens. */
export async function run(page: Page, dialog: Locator): Promise<Locator> {
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(dialog).toBeHidden();
  return jobTab(page);
}

/** The job tab in front. */
export async function jobTab(page: Page): Promise<Locator> {
  const tab = page.locator('.mlk-JobTab:visible');
  await expect(tab).toHaveCount(1);
  return tab;
}

export async function showPage(tab: Locator, name: string): Promise<void> {
  await tab.getByRole('tab', { name }).click();
  await expect(tab.getByRole('tabpanel', { name })).toBeVisible();
}

/** The phase in the head of the tab. */
export function phase(tab: Locator): Locator {
  return tab.locator('.mlk-JobHeader').getByRole('status');
}

export async function showPanel(page: IJupyterLabPageFixture): Promise<Locator> {
  const panel = page.locator('.mlk-Panel');
  if (!(await panel.isVisible())) {
    await page.evaluate(() => void window.jupyterapp.commands.execute('mlk:show-jobs'));
  }
  await expect(panel).toBeVisible();
  return panel;
}

/** The row of the newest job of that name. */
export function row(page: Page, name: string): Locator {
  return page.locator('.mlk-JobRow').filter({ hasText: name }).first();
}
