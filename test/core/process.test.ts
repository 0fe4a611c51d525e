import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, runProgram, startBin } from '../e2e/bin.js';
import { until } from '../servers/wait.js';

let folder: string;
/** Takes connections and never answers. */
let hung: Server;
let callers = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-process-'));
  hung = createServer(() => {
    callers += 1;
  });
  await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  hung.close();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ XDG_STATE_HOME: folder });
const address = () => `127.0.0.1:${(hung.address() as AddressInfo).port}`;
/** The built command in a shell, as operators join it with others. */
const shell = (script: string) =>
  runProgram('bash', ['-c', script], {
    env: { ...env(), NODE: process.execPath, BIN },
    cwd: folder,
  });

describe('a signal', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends a ping that waits for an answer at once, with 130 and one line',
    async (signal) => {
      const before = callers;
      const ping = startBin(['ping', '--timeout', '30s'], {
        env: { ...env(), REDIS_URL: `redis://${address()}` },
        cwd: folder,
      });
      await until(() => callers > before);
      ping.kill(signal);
      const asked = performance.now();
      const { code, stdout, stderr } = await ping.ended;
      expect(performance.now() - asked).toBeLessThan(2_000);
      expect({ code, stdout, stderr }).toEqual({
        code: 130,
        stdout: '',
        stderr: `cache-ops: interrupted by ${signal}\n`,
      });
    },
  );
});

describe('an output that nobody reads to its end', () => {
  it('is no error', async () => {
    const { stdout, stderr } = await shell(
      '"$NODE" "$BIN" --help | head -c 1; echo " ${PIPESTATUS[*]}"',
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'U 0 0\n', stderr: '' });
  });

  it('or is closed from the start, is none either', async () => {
    const { code, stderr } = await shell('"$NODE" "$BIN" --help >&-');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await shell('"$NODE" "$BIN" --help <&- >&- 2>&-')).code).toBe(0);
    expect((await shell('"$NODE" "$BIN" pnig <&- >&- 2>&-')).code).toBe(2);
  });
});

describe.skipIf(!canWriteToFull())('a full disk under the output', () => {
  it('is said, and is no success', async () => {
    expect(await shell('"$NODE" "$BIN" --help > /dev/full')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^cache-ops: the output could not be written: ENOSPC.*\n$/),
    });
    const asJson = await shell('"$NODE" "$BIN" drill list --json > /dev/full');
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.stderr).error.code).toBe('state');
  });

  it('under the remarks, too, does no harm', async () => {
    const { code, stdout } = await shell('"$NODE" "$BIN" drill status 2> /dev/full; echo "$?"');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0\n' });
  });
});

function canWriteToFull(): boolean {
  try {
    closeSync(openSync('/dev/full', 'w'));
    return true;
  } catch {
    return false;
  }
}
