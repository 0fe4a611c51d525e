import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Interrupt } from '../../src/io.js';
import { annotation } from '../../src/smoke/annotation.js';
import { until } from '../servers/wait.js';
import { startDouble, startGarbler } from './doubles.js';
import { onEstate } from './estate.js';

describe.concurrent('the reports', () => {
  it('JUnit and annotations of a run with a failure in awkward words', async () => {
    const awkward = '100%<&"\'>\u001b[31m,:\n]]>';
    const double = await startDouble({
      health: () => ({ status: 200, body: JSON.stringify({ cache: awkward }) }),
    });
    const garbler = await startGarbler();
    try {
      const redis = [`  red: { url: "redis://127.0.0.1:${garbler.port}" }`];
      await onEstate({ services: ['redis'], urls: [double.url], redis }, async (estate) => {
        const file = join(estate.folder, 'smoke.xml');
        writeFileSync(file, 'the report of the last run');
        const outcome = await estate.run(['--junit', 'smoke.xml', '--target', 'red', '--quiet'], {
          env: { GITHUB_ACTIONS: 'true' },
        });
        expect(outcome.code).toBe(5);
        const report = readFileSync(file, 'utf8');
        expect(elements(report)).toMatchObject({ testcase: 12, failure: 4, skipped: 5 });
        expect(report).toContain('failures="4"');
        expect(report).toContain('100%&lt;&amp;');
        expect(report).toContain('ERR \\x1b[31mred\\x07 &lt;&amp;');

        const lines = outcome.stderr.split('\n').filter((line) => line.startsWith('::error'));
        expect(lines).toHaveLength(4);
        expect(lines.find((line) => line.includes('app-2: mode'))).toMatch(
          /^::error title=cache-ops smoke::app-2: mode failed: the health answer says "100%25</,
        );
        expect(outcome.stdout + outcome.stderr).not.toContain('\u001b');
        expect(outcome.stdout).not.toContain('::error');
      });
    } finally {
      garbler.stop();
      await double.stop();
    }
  });

  it('no annotations elsewhere, and none when all is well', () =>
    onEstate({}, async (estate) => {
      const well = await estate.run([], { env: { GITHUB_ACTIONS: 'true' } });
      expect(well.stderr.replace(/^::.* 50kb failed.*\n/m, '')).toMatch(
        /^\d passed, [01] failed in [\d.]+ s\.\n$/,
      );
      await estate.redis.stop();
      const junit = join(estate.folder, 'smoke.xml');
      const broken = await estate.run(['--junit', junit], { env: { GITHUB_ACTIONS: 'false' } });
      expect(broken.code).toBe(5);
      expect(broken.stderr).not.toContain('::');
      expect(elements(readFileSync(junit, 'utf8'))).toMatchObject({
        testcase: 6,
        failure: 1,
        skipped: 5,
      });
    }));

  it('a run that did not end leaves no report of success behind', () =>
    onEstate({}, async (estate) => {
      const file = join(estate.folder, 'smoke.xml');
      await estate.run(['--junit', file]);
      expect(readFileSync(file, 'utf8')).toContain('name="ttl"');
      const controller = new AbortController();
      const running = estate.run(['--junit', file], { signal: controller.signal });
      await until(async () => (await estate.keys()).some((key) => key.endsWith(':main:ttl')));
      controller.abort(new Interrupt('SIGINT'));
      expect((await running).code).toBe(130);
      expect(readFileSync(file, 'utf8')).toContain('the run did not come to its end');
    }));

  it('a table on a terminal of 80 columns, tab-separated values in a pipe', () =>
    onEstate({ services: ['redis', 'redis'] }, async (estate) => {
      const [terminal, pipe] = await Promise.all([
        estate.run(['--no-color'], { tty: true, columns: 80 }),
        estate.run([]),
      ]);
      expect(Math.max(...terminal.stdout.split('\n').map((line) => line.length))).toBeLessThan(81);
      expect(terminal.stdout).toMatch(/^subject +.*check +status/);
      expect(terminal.stdout).toMatch(/\d+ passed, [01] failed in [\d.]+ s\.\n$/);
      const rows = pipe.stdout.slice(0, -1).split('\n');
      expect(rows).toHaveLength(12);
      for (const row of rows) expect(row.split('\t')).toHaveLength(6);
    }));

  it('escapes what GitHub would read as a command of its own', () => {
    const line = annotation({
      subject: 'main',
      kind: 'redis',
      check: 'ping',
      status: 'failed',
      ms: 1,
      detail: '5%\r\n::set-output name=x::y',
    });
    expect(line).toBe(
      '::error title=cache-ops smoke::main: ping failed: 5%25%0D%0A::set-output name=x::y',
    );
  });
});

/** How often each element stands in an XML text; fails when it is not well-formed. */
function elements(xml: string): Record<string, number> {
  const counts: Record<string, number> = {};
  const open: string[] = [];
  const rest = xml.replace(
    /<\?xml[^?]*\?>|<(\/?)([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, close: string, name: string | undefined, attributes: string, empty: string) => {
      if (name === undefined) return '';
      expect(attributes).not.toMatch(/&(?!(amp|lt|gt|quot|apos|#x?[0-9A-Fa-f]+);)/);
      if (close) expect(open.pop()).toBe(name);
      else counts[name] = (counts[name] ?? 0) + 1;
      if (!close && !empty) open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<&]/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no place for them
  expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
  return counts;
}
