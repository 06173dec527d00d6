import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';

import {
  begin,
  command,
  expect,
  hasRun,
  notebook,
  open,
  output,
  pictures,
  reload,
  setTheme,
  test as base
} from './helpers';

const CELLS = notebook("weights = list(range(1000))\nname = 'digits'", 'print(len(weights))');

/** With a server that stops kernels soon; other tests do not want theirs stopped. */
const test = base.extend<object, { idleServer: string }>({
  idleServer: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of what is needed
    async ({}, use) => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const server = spawn('jupyter', ['lab', '--config', 'jupyter_server_test_config.py'], {
        cwd: path.join(__dirname, '..'),
        env: {
          ...process.env,
          MLK_UI_PORT: String(port),
          MLK_IDLE_MODE: 'enforce',
          MLK_IDLE_TTL: '20',
          MLK_IDLE_WARN: '15'
        },
        stdio: 'ignore'
      });
      try {
        await answers(url, server);
        await use(url);
      } finally {
        const gone = new Promise(resolve => server.once('exit', resolve));
        if (server.exitCode === null && server.kill('SIGTERM')) {
          await gone;
        }
      }
    },
    { scope: 'worker', timeout: 120_000 }
  ],
  baseURL: ({ idleServer }, use) => use(idleServer)
});

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function answers(url: string, server: ChildProcess): Promise<void> {
  await expect
    .poll(
      async () => {
        expect(server.exitCode, 'the server ended').toBeNull();
        return fetch(`${url}/api`).then(
          ({ ok }) => ok,
          () => false
        );
      },
      { timeout: 100_000 }
    )
    .toBe(true);
}

/** Opens a notebook and runs its cells: then nobody touches it. */
async function runNotebook(
  page: Page,
  folder: string,
  name: string,
  content = CELLS
): Promise<string> {
  const file = await open(page, folder, name, content);
  await begin(page, 0);
  await begin(page, 1);
  await hasRun(page, 1);
  await expect(output(page, 1)).toContainText('1000');
  return file;
}

/** Goes on by Tab until it has the focus, and presses it. */
async function pressByKeys(page: Page, button: Locator, key = 'Tab'): Promise<void> {
  await expect(async () => {
    await page.keyboard.press(key);
    await expect(button).toBeFocused({ timeout: 1 });
  }).toPass({ intervals: [0] });
  await page.keyboard.press('Enter');
}

function toastOf(page: Page, name: string): Locator {
  return page.locator('.Toastify__toast').filter({ hasText: `${name} will be stopped at` });
}

function noticeOf(page: Page): Locator {
  return page
    .locator('.jp-NotebookPanel:visible')
    .getByRole('region', { name: 'The kernel was stopped' });
}

function rowOf(page: Page, name: string): Locator {
  return page.locator('.mlk-KernelRow').filter({ hasText: name });
}

async function faults(page: Page, theme: 'Light' | 'Dark', ...parts: string[]): Promise<string[]> {
  await setTheme(page, theme);
  const builder = parts.reduce((all, part) => all.include(part), new AxeBuilder({ page }));
  const { violations } = await builder.analyze();
  return violations.map(({ id, nodes }) => `${theme}: ${id} ${nodes[0].html}`);
}

test('a kernel is kept, explained and let go with the keyboard alone', async ({
  page,
  tmpPath
}) => {
  await command(page, 'mlk:show-kernels');
  await runNotebook(page, tmpPath, 'kept.ipynb');
  const toast = toastOf(page, 'kept.ipynb');
  await expect(toast).toContainText('idle');
  const inStatusBar = page.getByTitle('Show the kernels');
  await expect(inStatusBar).toHaveText(/^kept\.ipynb stops in \d+ s$/);
  await inStatusBar.focus();
  await pressByKeys(page, toast.getByRole('button', { name: 'Keep 2 h' }));
  await expect(toast).toBeHidden();

  const row = rowOf(page, 'kept.ipynb');
  await expect(row).toContainText(/kept until .+ \((2 h|1 h 60 min) left\)/);
  await pressByKeys(page, row.getByRole('button', { name: 'Why: kept.ipynb' }), 'Shift+Tab');
  const dialog = page.getByRole('dialog', { name: 'Why: kept.ipynb' });
  await expect(dialog).toContainText('MLK_IDLE_TTL');
  await expect(dialog.getByRole('button', { name: 'Close' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await pressByKeys(page, row.getByRole('button', { name: 'Release kept.ipynb' }), 'Shift+Tab');
  await expect(row).not.toContainText('kept until');
});

test('a stopped notebook says what was lost, and runs again', async ({ page, tmpPath }) => {
  await command(page, 'mlk:show-kernels');
  await runNotebook(page, tmpPath, 'stopped.ipynb');
  const toast = toastOf(page, 'stopped.ipynb');
  await toast.waitFor();
  const notice = noticeOf(page);
  await expect(notice).toContainText('The idle kernel was stopped');
  await expect(notice).toContainText('2 variables were in its memory: weights, name');
  await expect(toast).toBeHidden();
  await expect(page.locator('.jp-NotebookPanel:visible .jp-Toolbar-kernelName')).toHaveText(
    'No Kernel'
  );
  const summary = notice.getByText('2 variables');
  await summary.focus();
  await page.keyboard.press('Enter');
  await expect(notice.getByRole('row', { name: /^weights list 7\.9 KiB$/ })).toBeInViewport({
    ratio: 1
  });
  await pictures(page, 'notice');
  for (const theme of ['Light', 'Dark'] as const) {
    expect(await faults(page, theme, '.mlk-StoppedNotice', '.mlk-Panel')).toEqual([]);
  }

  await reload(page); // JupyterLab starts a kernel for the notebook
  await expect(notice).toContainText('A new kernel runs now, without the variables');
  await summary.focus();
  await pressByKeys(page, notice.getByRole('button', { name: 'Run all cells' }), 'Shift+Tab');
  await expect(notice).toBeHidden();
  await expect(output(page, 1)).toContainText('1000');
});

test('who runs a cell of a stopped notebook is told that its variables are gone', async ({
  page,
  tmpPath
}) => {
  await runNotebook(page, tmpPath, 'cell.ipynb');
  const notice = noticeOf(page);
  await notice.getByRole('button', { name: 'Restart kernel' }).click();
  await expect(notice).toContainText('A new kernel runs now');
  await begin(page, 1);
  await expect(output(page, 1)).toContainText("name 'weights' is not defined");
  await expect(notice).toContainText('A new kernel runs now');
  await notice.getByRole('button', { name: 'Take away this notice' }).click();
  await expect(notice).toBeHidden();
});

base('nobody is warned where kernels are watched only', async ({ page, tmpPath }) => {
  await command(page, 'mlk:show-kernels');
  const impatient = { ...JSON.parse(CELLS) } as { metadata: Record<string, unknown> };
  impatient.metadata.mlk = { idle: { ttl: '20s', warn: '15s' } };
  await runNotebook(page, tmpPath, 'watched.ipynb', JSON.stringify(impatient));
  const row = rowOf(page, 'watched.ipynb');
  await expect(row).toContainText(/would stop in \d+ s/);
  await expect(row).toContainText('would have been stopped by now');
  await expect(page.locator('.Toastify__toast')).toHaveCount(0);
  await expect(noticeOf(page)).toHaveCount(0);
  await begin(page, 1);
  await expect(output(page, 1)).toContainText('1000');
});
