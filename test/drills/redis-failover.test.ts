import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TcpProxy } from '../../src/drills/proxy/tcp.js';
import { runCli } from '../cli.js';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { removeFolder, until } from '../servers/wait.js';
import { spawnCli, summary } from './estate.js';
import { startOf } from './stages.js';

const DRILL = ['drill', 'redis-failover', '--yes', '--hold', '300ms'];

const role = async ({ port }: RedisServer) =>
  /role:(\w+)/.exec(await command(port, 'INFO replication').catch(() => ''))?.[1];

describe.concurrent('redis-failover', () => {
  it.each([
    ['over the connection alone', () => ''],
    [
      'by SIGTERM',
      (nodes: RedisServer[]) =>
        `    control: { process: { start: ${JSON.stringify(startOf(nodes))} } }`,
    ],
  ])(
    'Sentinel %s: a replica takes over, and the old master comes back as one',
    async (_, control) => {
      const estate = await startSentinel();
      const { master, replica, sentinels } = estate;
      const yaml = [
        `    sentinel: { name: main, nodes: [${sentinels.map(({ port }) => `127.0.0.1:${port}`)}] }`,
        control([master, replica]),
      ];
      try {
        await withConfig(yaml, async (scene) => {
          const { code, stdout, stderr } = await runCli(DRILL, scene);
          expect(stderr).toBe('');
          const { facts, reasons, verdict } = summary(stdout);
          expect([verdict, reasons]).toEqual(['passed', []]);
          expect(facts.master_before).toBe(`127.0.0.1:${master.port}`);
          expect(facts.master_after).toBe(`127.0.0.1:${replica.port}`);
          expect(facts.writes_acknowledged).toBeGreaterThan(50);
          expect(facts.without_writes_ms).toBeGreaterThan(300);
          expect(facts.writes_lost).toBeLessThan(facts.writes_acknowledged / 10);
          expect(code).toBe(0);
          await until(async () => (await role(master)) === 'slave', { timeout: 20_000 });
          expect(await role(replica)).toBe('master');
        });
      } finally {
        await estate.stop();
      }
    },
  );

  it('counts the writes that were acknowledged and lost', async () => {
    const estate = await startSentinel();
    const { master, replica, sentinels } = estate;
    // The replica is 300 ms behind: what the master has in its last moments never gets to it.
    const port = await freePort();
    const behind = await TcpProxy.start(['127.0.0.1'], port, master, { delay: 300 });
    const stop = `kill -9 $(cat ${master.pidFile})`;
    const yaml = [
      `    sentinel: { name: main, nodes: [127.0.0.1:${sentinels[0]?.port}] }`,
      `    control: { command: { stop: "${stop}", start: ${JSON.stringify(startOf([master, replica]))} } }`,
    ];
    try {
      await withConfig(yaml, async (scene) => {
        const run = spawnCli([...DRILL, '--hold', '1s'], scene);
        await run.says('a canary is written');
        await command(replica.port, `REPLICAOF 127.0.0.1 ${port}`);
        expect(await run.ended).toBe(0);
        const { facts } = summary(run.output);
        expect(facts.master_after).toBe(`127.0.0.1:${replica.port}`);
        expect(facts.writes_lost).toBeGreaterThan(0);
        expect(facts.writes_lost).toBeLessThan(facts.writes_acknowledged);
        expect(run.output).toContain(
          `${facts.writes_lost} of ${facts.writes_acknowledged} acknowledged writes were lost`,
        );
      });
    } finally {
      await behind.close();
      await estate.stop();
    }
  });

  it('Cluster by SIGTERM: the replica of the shard takes over', async () => {
    const estate = await startCluster({ replicas: true });
    const nodes = [...estate.masters, ...estate.replicas];
    const yaml = [
      `    cluster: [127.0.0.1:${estate.masters[1]?.port}]`,
      `    control: { process: { start: ${JSON.stringify(startOf(nodes))} } }`,
    ];
    try {
      await withConfig(yaml, async (scene) => {
        const { code, stdout, stderr } = await runCli(DRILL, scene);
        expect(stderr).toBe('');
        const { facts, reasons } = summary(stdout);
        expect(reasons).toEqual([]);
        expect(code).toBe(0);
        const portOf = (address: string) => Number(address.split(':')[1]);
        const lost = nodes.find(({ port }) => port === portOf(facts.master_before)) as RedisServer;
        const taken = nodes.find(({ port }) => port === portOf(facts.master_after)) as RedisServer;
        expect(estate.masters).toContain(lost);
        expect(estate.replicas).toContain(taken);
        await until(async () => (await role(lost)) === 'slave', { timeout: 20_000 });
      });
    } finally {
      await estate.stop();
    }
  });

  it('refuses where nobody could take over', async () => {
    const alone = await startRedis({ config: ['cluster-enabled yes'] });
    try {
      await withConfig([`    cluster: [127.0.0.1:${alone.port}]`], async (scene) => {
        const { code, stderr } = await runCli(DRILL, scene);
        expect(stderr).toMatch(/main has no replica that could take over/);
        expect(code).toBe(6);
      });
    } finally {
      await alone.stop();
    }
  });
});

async function withConfig(
  lines: string[],
  work: (scene: { env: Record<string, string | undefined>; cwd: string }) => Promise<void>,
): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), 'cache-ops-drill-'));
  writeFileSync(join(cwd, 'cache-ops.yaml'), ['redis:', '  main:', ...lines].join('\n'));
  try {
    await work({
      env: { XDG_STATE_HOME: join(cwd, 'state'), PATH: process.env.PATH, HOME: cwd },
      cwd,
    });
  } finally {
    await removeFolder(cwd);
  }
}
