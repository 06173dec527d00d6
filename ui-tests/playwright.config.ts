import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

const DEBIAN_CHROMIUM = '/usr/bin/chromium';

/** A port that is free now. Workers read this file again and find the runner's choice in the environment. */
function port(): string {
  process.env.MLK_UI_PORT ??= execFileSync(process.execPath, [
    '-e',
    "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })"
  ])
    .toString()
    .trim();
  return process.env.MLK_UI_PORT;
}

/** The browser: the one that is named, else Debian's, else Playwright's own. */
function chromium(): string | undefined {
  return process.env.MLK_CHROMIUM || (existsSync(DEBIAN_CHROMIUM) ? DEBIAN_CHROMIUM : undefined);
}

const baseURL = `http://127.0.0.1:${port()}`;

// With a cluster (tests/browser/test_browser.py starts one) its tests run and no others: it changes where jobs go.
const CLUSTER_TESTS = '**/cluster.spec.ts';
const hasCluster = Boolean(process.env.MLK_UI_KUBECONFIG);

export default defineConfig({
  testDir: './tests',
  outputDir: './test-results',
  testMatch: hasCluster ? CLUSTER_TESTS : undefined,
  testIgnore: hasCluster ? undefined : CLUSTER_TESTS,
  // One server, two cores: tests that train side by side would only slow each other down.
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 60_000 },
  reportSlowTests: null,
  reporter: [['list']],
  use: {
    baseURL,
    viewport: { width: 1400, height: 900 },
    launchOptions: { executablePath: chromium() },
    trace: 'retain-on-failure',
    video: 'off' // Playwright's own ffmpeg is not where a system browser is used
  },
  webServer: {
    command: 'jupyter lab --config jupyter_server_test_config.py',
    url: `${baseURL}/api`,
    timeout: 120_000,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 15_000 },
    reuseExistingServer: false
  }
});
