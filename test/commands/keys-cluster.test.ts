import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { configured } from '../health/estate.js';
import { type ClusterEstate, nodeId, startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import type { RedisServer } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';

let cluster: ClusterEstate;
let client: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  client = new Cluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })));
});
afterAll(async () => {
  client.disconnect();
  await cluster.stop();
});
beforeEach(async () => {
  await Promise.all(cluster.masters.map(({ port }) => command(port, 'FLUSHALL')));
});

async function fillCluster(prefix: string, count: number) {
  await Promise.all(Array.from({ length: count }, (_, at) => client.set(`${prefix}${at}`, 'x')));
}

function operator(redis: unknown) {
  const { run } = configured({ environment: 'test', redis: { main: redis } });
  return async (...argv: string[]) => {
    const { code, stdout, stderr } = await run(['keys', ...argv, '--json']);
    const documents = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const items = documents.filter(({ type }) => type === 'item');
    return { code, stderr, items, result: documents.at(-1) };
  };
}
const nodes = () => ({ cluster: cluster.masters.map(({ port }) => `127.0.0.1:${port}`) });

it('finds the keys of all masters, shows and removes each on its own', async () => {
  await fillCluster('a:', 900);
  await fillCluster('b:', 30);
  const keys = operator(nodes());
  const { items, result } = await keys('ls', 'a:*');
  expect([new Set(items.map(({ key }) => key)).size, result.looked_at]).toEqual([900, 930]);
  const owners = new Set<string>();
  for (const key of ['b:1', 'b:2', 'b:3', 'b:4', 'b:5', 'b:6', 'b:7', 'b:8']) {
    const shown = await keys('show', key);
    expect(shown.result.entries).toEqual([{ value: 'x' }]);
    owners.add(shown.result.address);
    expect((await keys('ls', key)).items).toHaveLength(1);
  }
  expect(owners.size).toBe(3);
  expect((await keys('ttl', 'b:1', 'b:2', 'b:3')).result.keys).toHaveLength(3);
  const removed = await keys('rm', 'a:*', '--yes');
  expect([removed.code, removed.result.counts.done]).toEqual([0, 900]);
  expect((await keys('ls', '*')).result).toMatchObject({ keys: 30, looked_at: 30 });
});

it('audits all masters and sets the TTL on each', async () => {
  await Promise.all(
    Array.from({ length: 60 }, (_, at) => client.set(`cache-ops:test:task:import:u:${at}`, 'x')),
  );
  const keys = operator(nodes());
  const audit = await keys('audit');
  expect([audit.code, audit.result.targets[0].findings]).toMatchObject([
    3,
    [{ kind: 'no_ttl', keys: 60 }],
  ]);
  expect((await keys('audit', '--fix-ttl', '--yes')).result.counts.done).toBe(60);
  expect((await keys('audit')).code).toBe(0);
});

it('goes on after slots have moved to another master', async () => {
  await fillCluster('{moved}:', 200);
  const slot = Number(
    (await command(cluster.masters[0]?.port ?? 0, 'CLUSTER KEYSLOT {moved}')).slice(1),
  );
  const ids = await Promise.all(cluster.masters.map(nodeId));
  const counts = await Promise.all(
    cluster.masters.map(async ({ port }) => Number((await command(port, 'DBSIZE')).slice(1))),
  );
  const from = counts.indexOf(200);
  const to = (from + 1) % 3;
  const [source, target] = [cluster.masters[from], cluster.masters[to]] as [
    RedisServer,
    RedisServer,
  ];
  const keys = operator(nodes());
  // Removed while they move: a third has gone over, and the slot is open on both sides.
  await command(target.port, `CLUSTER SETSLOT ${slot} IMPORTING ${ids[from]}`);
  await command(source.port, `CLUSTER SETSLOT ${slot} MIGRATING ${ids[to]}`);
  for (let at = 0; at < 70; at += 1) {
    await command(source.port, `MIGRATE 127.0.0.1 ${target.port} {moved}:${at} 0 5000`);
  }
  const listed = await keys('ls', '{moved}:*');
  expect(new Set(listed.items.map(({ key }) => key)).size).toBe(200);
  expect([listed.code, listed.result.slots_moved]).toEqual([4, true]);
  expect((await keys('rm', '{moved}:*', '--dry-run')).result.slots_moved).toBe(true);
  const shown = await keys('show', '{moved}:3');
  expect(shown.result.entries).toEqual([{ value: 'x' }]);
  const { code, stderr, result } = await keys('rm', '{moved}:*', '--yes');
  expect([code, result.counts]).toEqual([0, { done: 200, gone: 0, raced: 0, refused: 0 }]);
  expect(stderr).toContain('slots of the cluster moved meanwhile');
  for (const { port } of [target, source]) {
    await command(port, `CLUSTER SETSLOT ${slot} NODE ${ids[to]}`);
  }
  expect((await keys('ls', '*')).result.keys).toBe(0);
});

it('does not take one node of it for the whole', async () => {
  await fillCluster('a:', 30);
  const keys = operator({ url: `redis://127.0.0.1:${cluster.masters[0]?.port}` });
  for (const argv of [['ls', '*'], ['rm', 'a:*', '--yes'], ['audit']]) {
    const { code, stderr } = await keys(...argv);
    expect([code, stderr.includes('is one node of a cluster')]).toEqual([2, true]);
  }
  const { code, stderr } = await operator(nodes())('ls', '*', '--db', '1');
  expect([code, stderr.includes('database 0 only')]).toEqual([2, true]);
});

it('behind Sentinel it is the master that is looked at and changed', async () => {
  const estate = await startSentinel();
  const own = new Redis(estate.master.url);
  try {
    await own.set('a', '1');
    const sentinels = estate.sentinels.map(({ host, port }) => `${host}:${port}`);
    const keys = operator({ sentinel: { name: estate.name, nodes: sentinels } });
    expect((await keys('show', 'a')).result.address).toBe(`127.0.0.1:${estate.master.port}`);
    expect((await keys('rm', 'a', '--yes')).result.counts.done).toBe(1);
    expect(await own.dbsize()).toBe(0);
  } finally {
    own.disconnect();
    await estate.stop();
  }
});
