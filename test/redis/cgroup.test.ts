import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cgroupLimit } from '../../src/redis/cgroup.js';
import { parseInfo } from '../../src/redis/info.js';
import { command } from '../servers/command.js';
import { startRedis } from '../servers/redis.js';

const MB = 1024 ** 2;

/** A real Redis and its true process, in control groups that are laid out as asked. */
async function within(groups: string, files: Record<string, string>) {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-cgroup-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const { pid } = redis;
  put('proc/stat', readFileSync('/proc/stat', 'utf8'));
  put(`proc/${pid}/stat`, readFileSync(`/proc/${pid}/stat`, 'utf8'));
  put(`proc/${pid}/cgroup`, groups);
  for (const [path, text] of Object.entries(files)) put(`cgroups/${path}`, text);
  const info = parseInfo(await command(redis.port, 'INFO'));
  const kernel = { proc: join(folder, 'proc'), cgroups: join(folder, 'cgroups') };
  return {
    limit: (changes: Record<string, string> = {}, host = '127.0.0.1') =>
      cgroupLimit({ host, port: redis.port }, { ...info, ...changes }, kernel),
  };
}

describe('the limit of the control group', () => {
  it('is the least of the groups that a server on this machine is in (version 2)', async () => {
    const { limit } = await within('0::/system.slice/redis.service\n', {
      'system.slice/redis.service/memory.max': 'max\n',
      'system.slice/memory.max': `${300 * MB}\n`,
      'memory.max': `${900 * MB}\n`,
    });
    expect(limit()).toBe(300 * MB);
  });

  it('is found in version 1, where the largest number means none', async () => {
    const { limit } = await within('4:cpu,memory:/redis\n3:cpuset:/\n0::/\n', {
      'memory/redis/memory.limit_in_bytes': `${200 * MB}\n`,
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(limit()).toBe(200 * MB);
    const free = await within('4:memory:/\n', {
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(free.limit()).toBeUndefined();
  });

  it('is not guessed: only of a process here that is that very server', async () => {
    const { limit } = await within('0::/\n', { 'memory.max': `${300 * MB}\n` });
    expect(limit()).toBe(300 * MB);
    expect(limit({}, '10.0.0.7')).toBeUndefined();
    // In a container it reports a pid of its own name space: another process here, or none.
    expect(limit({ process_id: '1' })).toBeUndefined();
    expect(limit({ uptime_in_seconds: '86400' })).toBeUndefined();
    expect(limit({ process_id: '' })).toBeUndefined();
  });
});
