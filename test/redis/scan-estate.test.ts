import { describe, expect, it, onTestFinished } from 'vitest';
import { redisForTest } from '../commands/pinging.js';
import { startCluster, startReplica } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import type { RedisServer } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { connected, names, scan, strings, twoDatabases } from './scanning.js';

describe('the servers of an estate', () => {
  it('a replica has the keys of its primary', async () => {
    const { redis } = await twoDatabases();
    const replica = await redisForTest({ config: [`replicaof 127.0.0.1 ${redis.port}`] });
    await until(async () =>
      (await command(replica.port, 'INFO replication')).includes('master_link_status:up'),
    );
    const found = await scan(replica.port, { cursors: 4 });
    expect(names(found)).toEqual(names(await scan(redis.port)));
    expect(found.repeated.size).toBe(0);
  });

  it('the masters of a cluster have every key once, and a replica those of its master', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const channels = await Promise.all(cluster.masters.map(({ port }) => connected(port)));
    // Each takes those of its slots and sends the others away.
    for (const channel of channels) await channel.pipeline(strings(30_000));
    const found = { facts: new Map(), repeated: new Map() };
    for (const { port } of cluster.masters) {
      const { end } = await scan(port, { cluster: true, cursors: 4 }, { into: found });
      const [database] = end.databases;
      expect(end.cursors).toBe(4);
      expect(database).toMatchObject({ complete: true, short: false, moved: 0 });
      expect(database?.seen).toBe(database?.keys_before);
    }
    expect(found.facts.size).toBe(30_000);
    expect(found.repeated.size).toBe(0);

    const [master] = cluster.masters as [RedisServer];
    const replica = await startReplica(master);
    onTestFinished(() => replica.stop());
    const [first, second] = await Promise.all([
      scan(master.port, { cluster: true }),
      scan(replica.port, { cluster: true, cursors: 4 }),
    ]);
    expect(names(second)).toEqual(names(first));
    expect(second.end.databases).toMatchObject([{ moved: 0, unreadable: 0 }]);
  });
});
