import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { binary } from '../servers/binaries.js';

/** Undefined where test/bootstrap.mjs could not bring one. */
export const browserPath = binary('chromium') ?? binary('google-chrome');

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export interface Opened {
  page: Page;
  /** What went wrong in the page, and whatever it asked the network for. */
  complaints: string[];
  /** What axe-core holds against the page, as `rule: element`. */
  violations(): Promise<string[]>;
}

export interface Browser {
  open(html: string, options?: BrowserContextOptions & { hash?: string }): Promise<Opened>;
  close(): Promise<void>;
}

/** A real browser that opens pages from files, as an operator does. */
export async function startBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-html-'));
  const browser = await chromium.launch({
    executablePath: browserPath ?? '',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  let pages = 0;
  return {
    async open(html, { hash = '', ...options } = {}) {
      const context = await browser.newContext({
        viewport: { width: 1_440, height: 900 },
        reducedMotion: 'reduce',
        ...options,
      });
      context.setDefaultTimeout(10_000);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(`console: ${message.text()}`));
      page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
      page.on('dialog', (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      const file = join(folder, `${pages++}.html`);
      writeFileSync(file, html);
      const url = pathToFileURL(file).href;
      page.on('request', (request) => {
        if (request.url().split('#')[0] !== url) complaints.push(`request: ${request.url()}`);
      });
      await page.goto(url + hash);
      return { page, complaints, violations: () => violations(page) };
    },
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(axe, 'utf8'));
  return page.evaluate(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`,
  );
}
