import path from 'node:path';

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { Locator, Page } from '@playwright/test';
import { expect, test as base } from '@playwright/test';

export { expect };

declare global {
  // eslint-disable-next-line @typescript-eslint/naming-convention -- the browser's own
  interface Window {
    jupyterapp: JupyterFrontEnd;
  }
}

/** The button in a notebook's toolbar. */
export const RUN = /^Run as a job$/;

export const EXAMPLE = path.join(__dirname, '..', '..', 'examples', 'digits_ddp.ipynb');

const THEMES = '/lab/api/settings/@jupyterlab/apputils-extension:themes';

/** JupyterLab in a workspace of the test's own, and a folder for its files. */
export const test = base.extend<{ tmpPath: string }>({
  tmpPath: async ({ request }, use, { outputDir }) => {
    const folder = path.basename(outputDir);
    await request.put(`/api/contents/${folder}`, { data: { type: 'directory' } });
    await use(folder);
  },
  page: async ({ page, request }, use, { outputDir }) => {
    await request.put(THEMES, { data: { raw: '{}' } }); // as the test before it may have left it
    await page.goto(`/lab/workspaces/${path.basename(outputDir)}`);
    await ready(page);
    await use(page);
    const sessions = (await (await request.get('/api/sessions')).json()) as { id: string }[];
    await Promise.all(sessions.map(({ id }) => request.delete(`/api/sessions/${id}`)));
  }
});

/** Until the layout stands. */
async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => window.jupyterapp?.restored.then(() => true));
  await page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
}

export async function reload(page: Page): Promise<void> {
  await page.reload();
  await ready(page);
}

/** Runs a command and waits for its end, or not: a dialog waits for a person. */
export async function command(
  page: Page,
  id: string,
  args: ReadonlyPartialJSONObject = {},
  waits = true
): Promise<void> {
  await page.evaluate(
    async ([id, args, waits]) => {
      const end = window.jupyterapp.commands.execute(id, args);
      if (waits) {
        await end;
      }
    },
    [id, args, waits] as const
  );
}

export async function setTheme(page: Page, theme: 'Light' | 'Dark'): Promise<void> {
  await command(page, 'apputils:change-theme', { theme: `JupyterLab ${theme}` });
  await expect(page.locator('body')).toHaveAttribute(
    'data-jp-theme-light',
    String(theme === 'Light')
  );
  await page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
}

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
  page: Page,
  folder: string,
  name: string,
  content: string
): Promise<string> {
  const file = `${folder}/${name}`;
  await page.request.put(`/api/contents/${file}`, {
    data: { type: 'file', format: 'text', content }
  });
  await command(page, 'docmanager:open', { path: file });
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

export async function showPanel(page: Page): Promise<Locator> {
  const panel = page.locator('.mlk-Panel');
  await command(page, 'mlk:show-jobs');
  await expect(panel).toBeVisible();
  return panel;
}

/** The row of the newest job of that name. */
export function row(page: Page, name: string): Locator {
  return page.locator('.mlk-JobRow').filter({ hasText: name }).first();
}

/** The output below the nth cell. */
export function output(page: Page, cell: number): Locator {
  return page.locator('.jp-NotebookPanel:visible .jp-CodeCell').nth(cell).locator('.jp-OutputArea');
}

/** Begins to run the nth cell, and does not wait for its end. */
export async function begin(page: Page, cell: number): Promise<void> {
  await page.evaluate(async index => {
    const { content, sessionContext } = window.jupyterapp.shell.currentWidget as NotebookPanel;
    await sessionContext.ready; // without a kernel, core only clears the cell
    content.deselectAll();
    content.activeCellIndex = index;
  }, cell);
  await command(page, 'notebook:run-cell', {}, false);
}

/** The prompt of a cell that is not running and was run. */
export async function hasRun(page: Page, cell: number): Promise<void> {
  const prompt = page
    .locator('.jp-NotebookPanel:visible .jp-CodeCell')
    .nth(cell)
    .locator('.jp-InputPrompt');
  await expect(prompt).toHaveText(/\[\d+\]/);
}

/** The page, or a part of it, in both themes, for a person to look at. */
export async function pictures(page: Page, name: string, part?: Locator): Promise<void> {
  for (const theme of ['Dark', 'Light'] as const) {
    await setTheme(page, theme);
    await (part ?? page).screenshot({
      path: test.info().outputPath(`${name}-${theme.toLowerCase()}.png`)
    });
  }
}
