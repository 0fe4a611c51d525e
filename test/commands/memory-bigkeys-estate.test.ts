import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/memory/report.js';
import { runCli } from '../cli.js';
import {
  type ClusterEstate,
  moveSlot,
  nodeId,
  startCluster,
  startReplica,
} from '../servers/cluster.js';
import { command } from '../servers/command.js';
import type { RedisServer } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';

const KEYS = 6_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-estate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `memory bigkeys` on one estate; every key is in the list of the largest. */
function operator(redis: string) {
  const file = join(mkdtempSync(`${folder}/e-`), 'cache-ops.yaml');
  writeFileSync(file, `redis:\n  main:\n    ${redis}\n`);
  const env = { XDG_STATE_HOME: mkdtempSync(`${folder}/s-`) };
  return async (...args: string[]) => {
    const argv = ['memory', 'bigkeys', '--json', '--top', String(4 * KEYS), '--config', file];
    const { code, stdout, stderr } = await runCli([...argv, ...args], { env, cwd: folder });
    return { code, stderr, report: JSON.parse(stdout || 'null') as Report };
  };
}

const scansOf = async ({ port }: RedisServer) =>
  Number(/cmdstat_scan:calls=(\d+)/.exec(await command(port, 'INFO commandstats'))?.[1] ?? 0);

/** A scan is under way there: resolves in the middle of it. */
async function scanned(server: RedisServer): Promise<void> {
  const before = await scansOf(server);
  await until(async () => (await scansOf(server)) > before + 4, { what: 'a scan' });
}

/** Keys that came more than once, or not at all. */
function wrong(report: Report, keys: readonly string[]): string[] {
  const times = new Map<string, number>();
  for (const { key } of report.top) times.set(key, (times.get(key) ?? 0) + 1);
  return keys.filter((key) => times.get(key) !== 1);
}

describe('a cluster', () => {
  let cluster: ClusterEstate;
  let client: Cluster;
  let bigkeys: ReturnType<typeof operator>;
  const replicas: RedisServer[] = [];
  const all = Array.from({ length: KEYS }, (_, n) => `key:${n}`);
  beforeAll(async () => {
    cluster = await startCluster();
    const [{ port }] = cluster.masters as [RedisServer];
    client = new Cluster([{ host: '127.0.0.1', port }]);
    await Promise.all(all.map((key) => client.set(key, 'x'.repeat(30))));
    bigkeys = operator(`cluster: ["127.0.0.1:${port}"]`);
  });
  afterAll(async () => {
    client.disconnect();
    await Promise.all(replicas.map((replica) => replica.stop()));
    await cluster.stop();
  });

  it('that moves slots meanwhile makes the report partial; keys that stay are counted once', async () => {
    const [from, to] = cluster.masters as [RedisServer, RedisServer, RedisServer];
    const slots = Array.from({ length: 60 }, (_, n) => n * 50);
    const moved = new Set<string>();
    for (const slot of slots) {
      const reply = await command(from.port, `CLUSTER GETKEYSINSLOT ${slot} 1000`);
      for (const key of reply.match(/key:\d+/g) ?? []) moved.add(key);
    }
    expect(moved.size).toBeGreaterThan(5);
    const running = bigkeys('--duty', '3%');
    await scanned(from);
    for (const slot of slots) await moveSlot(slot, from, to);
    const { code, report } = await running;
    expect([code, report.partial]).toEqual([
      4,
      expect.stringContaining('slots of the cluster moved'),
    ]);
    expect(report.partial).toContain(`:${from.port}: `);
    const stay = all.filter((key) => !moved.has(key));
    expect(wrong(report, stay)).toEqual([]);

    const again = await bigkeys();
    expect([again.code, again.report.partial, again.report.totals.keys]).toEqual([0, null, KEYS]);
    expect(wrong(again.report, all)).toEqual([]);
  });

  it('with a slot that is open on both sides is no whole report either', async () => {
    const [from, to] = cluster.masters as [RedisServer, RedisServer];
    const slot = 1_001;
    await command(from.port, `CLUSTER SETSLOT ${slot} MIGRATING ${await nodeId(to)}`);
    const { code, report } = await bigkeys();
    await command(from.port, `CLUSTER SETSLOT ${slot} STABLE`);
    expect([code, report.partial]).toEqual([4, expect.stringContaining('slots of the cluster')]);
    expect(wrong(report, all)).toEqual([]);
  });

  it('is read from a replica of each master with --replica', async () => {
    const none = await bigkeys('--replica');
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/:\d+ has no replica/)]);
    replicas.push(...(await Promise.all(cluster.masters.map(startReplica))));
    const ports = replicas.map(({ port }) => port);
    const known = async ({ port }: RedisServer) => {
      const reply = await command(port, 'CLUSTER SLOTS');
      return ports.every((replica) => reply.includes(`:${replica}\r\n`));
    };
    await until(async () => (await Promise.all(cluster.masters.map(known))).every(Boolean), {
      timeout: 20_000,
      what: 'every master to know the replicas',
    });
    const { code, report } = await bigkeys('--replica');
    expect([code, report.partial, report.totals.keys]).toEqual([0, null, KEYS]);
    expect(report.servers.map(({ address }) => Number(address.split(':')[1])).sort()).toEqual(
      ports.sort(),
    );
    expect(wrong(report, all)).toEqual([]);
    // What is asked of single keys afterwards comes from the replica too.
    expect(report.top[0]?.encoding).toBe('embstr');
  });
});

describe('a Sentinel', () => {
  it('that fails over in the middle leaves a partial report, and --resume one of all keys', async () => {
    const estate = await startSentinel();
    try {
      const all = Array.from({ length: KEYS }, (_, n) => `key:${n}`);
      const own = new Redis(estate.master.url);
      await own.mset(...all.flatMap((key) => [key, 'x']));
      await own.wait(1, 5_000);
      own.disconnect();
      const port = estate.sentinels[0]?.port ?? 0;
      const bigkeys = operator(`sentinel: { name: main, nodes: ["127.0.0.1:${port}"] }`);
      const running = bigkeys('--duty', '0.2%');
      await scanned(estate.master);
      estate.master.kill('SIGKILL');
      const { code, report } = await running;
      expect(code).toBe(4);
      expect(report.partial).toMatch(/closed the connection|ECONN/);
      expect(report.totals.keys).toBeLessThan(KEYS);

      await until(
        async () =>
          (await command(port, 'SENTINEL get-master-addr-by-name main')).includes(
            `${estate.replica.port}`,
          ) && (await command(estate.replica.port, 'ROLE')).includes('master'),
        { timeout: 20_000, what: 'the new master' },
      );
      const whole = await bigkeys('--resume');
      expect([whole.code, whole.report.partial]).toEqual([0, null]);
      expect(wrong(whole.report, all)).toEqual([]);
    } finally {
      await estate.stop();
    }
  });
});
