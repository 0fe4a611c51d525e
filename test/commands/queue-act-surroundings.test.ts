import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../e2e/bin.js';
import { buildCli } from '../queues/built.js';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { actingOn } from './queue-acting.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-around-'));
let server: RedisServer;
let redis: Redis;
let cli: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  [server, cli] = await Promise.all([startRedis(), buildCli()]);
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  cli.remove();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await redis.flushall();
  await (await failedJobs(redis, 'mail', 3_000)).close();
});

const RETRY = ['retry', '--queue', 'mail', '--all', '--yes', '--rate', '1000'];

/** A disk of 1 MB; false where this user may not mount one. */
function mountSmall(at: string): boolean {
  mkdirSync(at);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', at], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Takes all that is left of a disk. */
function fill(file: string) {
  for (const block of [65_536, 4_096, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(block), { flag: 'a' });
    } catch {
      // Nothing of this size fits any more.
    }
  }
}

const disk = join(folder, 'disk');
const mounted = mountSmall(disk);

describe.skipIf(!mounted)('a disk that fills in the middle of an operation', () => {
  afterAll(() => void execFileSync('umount', [disk]));

  it('stops it with the command to go on, and that moves each of the rest once', async () => {
    const site = actingOn(server);
    const overrides = { env: { XDG_STATE_HOME: disk, HOME: site.folder } };
    const first = site.act(RETRY, overrides);
    await until(async () => (await redis.zcard('bull:mail:failed')) === 2_000, { every: 1 });
    fill(join(disk, 'filler'));
    // Another operator takes every second one of the rest: each has a line in the journal.
    const rest = await redis.zrange('bull:mail:failed', '0', '-1');
    const theirs = rest.filter((_, index) => index % 2 === 0);
    expect(
      (await actingOn(server).act(['retry', ...theirs, '--queue', 'mail', '--yes'])).code,
    ).toBe(0);
    const { code, stderr, summary } = await first;
    expect(code).toBe(1);
    const { error } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
    expect(error).toMatchObject({
      code: 'state',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringMatching(/^go on with: cache-ops queue retry --resume \S+$/),
    });
    expect(summary).toMatchObject({ state: 'open', counts: { done: 1_000 } });

    rmSync(join(disk, 'filler'));
    const { summary: end } = await site.act(['retry', '--resume', '--rate', '9000'], overrides);
    expect(end).toMatchObject({ state: 'finished', total: 3_000 });
    expect(end.counts.done + end.counts.raced).toBe(3_000);
    // What was moved and could not be written down is in doubt, and of one chunk.
    expect(end.in_doubt).toBe(1_000);
    const waiting = await redis.lrange('bull:mail:wait', 0, -1);
    expect([waiting.length, new Set(waiting).size]).toEqual([3_000, 3_000]);
    // Only the line that the disk broke off is none.
    const lines = readFileSync(end.journal, 'utf8').trim().split('\n');
    expect(lines.filter((line) => !line.endsWith('}')).length).toBeLessThanOrEqual(1);
  });
});

const hasScript = execFileSync('/bin/sh', ['-c', 'command -v script || true']).length > 0;

describe.skipIf(!hasScript)('on a terminal', () => {
  it.each([80, 40])(
    'of %i columns a line tells how far it is, and is gone at the end',
    async (columns) => {
      const site = actingOn(server);
      const env = { XDG_STATE_HOME: join(site.folder, 'state'), HOME: site.folder, TERM: 'xterm' };
      const command = [process.execPath, cli.bin, 'queue', ...RETRY, '--no-color'].join(' ');
      const { code, stdout } = await runProgram(
        'script',
        ['-qec', `stty cols ${columns} rows 24; ${command}`, join(site.folder, 'typescript')],
        { env, cwd: site.folder },
      );
      expect(code).toBe(0);
      // Where it wraps, the terminal is told to begin a line.
      const text = stdout.replaceAll(/\s+/g, ' ');
      expect(text).toMatch(/1,000 of 3,000 jobs, [\d,.]+ a second, [\d.]+ m?s left/);
      expect(text).toMatch(/2,000 of 3,000 jobs/);
      const after = stdout.slice(stdout.lastIndexOf(' left'));
      // The line is cleared, and the cursor is there again.
      const [cleared = '', table = ''] = after.split('queue retry');
      expect(cleared.split('\u001b[0K').length - 1).toBe(columns === 40 ? 2 : 1);
      expect(table).toContain('3,000 of 3,000 done');
      expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
      for (const line of table.split('\r\n'))
        expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(columns);
    },
  );
});
