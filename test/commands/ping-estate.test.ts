import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type ClusterEstate, startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { type SentinelEstate, startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';
import { pingJson, redisForTest } from './pinging.js';

const QUICK = ['--timeout', '500ms'];

// The tests of each estate build on one another: they take it apart bit by bit.
describe('behind Sentinel', () => {
  let estate: SentinelEstate;
  beforeAll(async () => {
    estate = await startSentinel({ sentinels: 3 });
  });
  afterAll(() => estate.stop());
  const behind = (name = 'main') => ({
    sentinel: { name, nodes: estate.sentinels.map(({ host, port }) => `${host}:${port}`) },
  });
  const rows = async (target: Record<string, unknown>) => {
    const { code, result, nodes } = await pingJson({ main: target }, QUICK);
    return {
      exit: code,
      reachable: result.targets[0]?.reachable,
      nodes,
      seen: nodes.map(({ role, status, problem }) => [role, status, problem?.code ?? null]),
    };
  };

  it('the master, the replica and every sentinel have a row', async () => {
    const { exit, seen, nodes } = await rows(behind());
    expect(exit).toBe(0);
    expect(seen).toEqual([
      ['master', 'ok', null],
      ['replica', 'ok', null],
      ['sentinel', 'ok', null],
      ['sentinel', 'ok', null],
      ['sentinel', 'ok', null],
    ]);
    expect(nodes[0]?.address).toBe(`127.0.0.1:${estate.master.port}`);
  });

  it('a name that the sentinels do not know', async () => {
    const { exit, seen, nodes } = await rows(behind('other'));
    expect(exit).toBe(3);
    expect(seen).toEqual(Array(3).fill(['sentinel', 'bad', 'no_master']));
    expect(nodes[0]?.problem?.next[0]).toContain('sentinel.name');
  });

  it('a Redis that is configured as a sentinel', async () => {
    const { exit, seen, nodes } = await rows({
      sentinel: { name: 'main', nodes: [`127.0.0.1:${estate.master.port}`] },
    });
    expect(exit).toBe(3);
    expect(seen).toEqual([['master', 'bad', 'not_sentinel']]);
    expect(nodes[0]?.problem?.next[0]).toContain('port right');
  });

  it('a sentinel that is configured as a Redis', async () => {
    const [sentinel] = estate.watchers;
    const { exit, seen } = await rows({ url: sentinel?.url ?? '' });
    expect([exit, seen]).toEqual([3, [['sentinel', 'bad', 'is_sentinel']]]);
  });

  it('one dead sentinel of three: the target is reachable, and not fine', async () => {
    await estate.watchers[2]?.stop();
    const { exit, reachable, seen, nodes } = await rows(behind());
    expect([exit, reachable]).toEqual([3, true]);
    expect(seen).toEqual([
      ['master', 'ok', null],
      ['replica', 'ok', null],
      ['sentinel', 'ok', null],
      ['sentinel', 'ok', null],
      ['sentinel', 'failed', 'refused'],
    ]);
    expect(nodes[4]?.problem?.next[0]).toContain('instance up');
  });

  it('a hung replica does not hide the others', async () => {
    estate.replica.kill('SIGSTOP');
    const { exit, reachable, seen } = await rows(behind());
    estate.replica.kill('SIGCONT');
    expect([exit, reachable]).toEqual([3, true]);
    expect(seen.slice(0, 2)).toEqual([
      ['master', 'ok', null],
      ['replica', 'failed', 'hung'],
    ]);
  });

  it('no quorum left, and then no sentinel at all', async () => {
    await estate.watchers[1]?.stop();
    await until(async () =>
      (await command(estate.watchers[0]?.port ?? 0, 'SENTINEL ckquorum main')).includes('NOQUORUM'),
    );
    const { exit, seen } = await rows(behind());
    expect([exit, seen[2]]).toEqual([3, ['sentinel', 'bad', 'noquorum']]);
    await estate.watchers[0]?.stop();
    const none = await rows(behind());
    expect([none.exit, none.reachable]).toEqual([5, false]);
    expect(none.seen).toEqual(Array(3).fill(['sentinel', 'failed', 'refused']));
  });
});

describe('a master that is gone before the sentinels act', () => {
  it('cannot be reached, though the sentinels and the replica answer', async () => {
    const estate = await startSentinel();
    onTestFinished(() => estate.stop());
    // Long enough that no failover begins meanwhile.
    const [sentinel] = estate.watchers;
    await command(sentinel?.port ?? 0, 'SENTINEL SET main down-after-milliseconds 60000');
    await estate.master.stop();
    const nodes = estate.sentinels.map(({ host, port }) => `${host}:${port}`);
    const { code, nodes: seen } = await pingJson(
      { main: { sentinel: { name: 'main', nodes } } },
      QUICK,
    );
    expect(code).toBe(5);
    expect(seen[0]).toMatchObject({
      role: 'master',
      status: 'failed',
      problem: { code: 'refused' },
    });
  });
});

describe('a cluster', () => {
  let cluster: ClusterEstate;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());
  const seeds = () => ({ cluster: cluster.masters.map(({ port }) => `127.0.0.1:${port}`) });

  it('has a row for each node, found through any one seed', async () => {
    const [first] = seeds().cluster;
    const { code, nodes } = await pingJson({ main: { cluster: [first, '127.0.0.1:1'] } });
    expect(code).toBe(0);
    expect(nodes.map(({ role, status }) => [role, status])).toEqual(
      Array(3).fill(['master', 'ok']),
    );
    expect(new Set(nodes.map(({ address }) => address))).toEqual(new Set(seeds().cluster));
  });

  it('one master dead with nobody to take over: the cluster is down', async () => {
    const [dead, ...alive] = cluster.masters;
    await dead?.stop();
    await until(async () => {
      const states = await Promise.all(alive.map(({ port }) => command(port, 'CLUSTER INFO')));
      return states.every((state) => state.includes('cluster_state:fail'));
    });
    const { code, result, nodes } = await pingJson({ main: seeds() }, QUICK);
    expect([code, result.targets[0]?.reachable]).toEqual([3, true]);
    const byAddress = new Map(nodes.map((node) => [node.address, node]));
    expect(byAddress.get(`127.0.0.1:${dead?.port}`)).toMatchObject({
      status: 'failed',
      problem: { code: 'refused' },
    });
    for (const { port } of alive) {
      expect(byAddress.get(`127.0.0.1:${port}`)).toMatchObject({
        status: 'bad',
        failed_stage: null,
        problem: {
          code: 'clusterdown',
          next: [
            expect.stringContaining('CLUSTER NODES'),
            expect.any(String),
            expect.any(String),
            expect.any(String),
          ],
        },
      });
    }
    const [url] = alive.map((server) => server.url);
    expect((await pingJson({ main: url })).nodes[0]?.problem?.code).toBe('clusterdown');
  });

  it('no seed answers: a row for each says why', async () => {
    await cluster.stop();
    const { code, nodes } = await pingJson({ main: seeds() }, QUICK);
    expect(code).toBe(5);
    expect(nodes.map(({ status, problem }) => [status, problem?.code])).toEqual(
      Array(3).fill(['failed', 'refused']),
    );
  });

  it('a Redis that is configured as a cluster', async () => {
    const redis = await redisForTest();
    const { code, nodes } = await pingJson({ main: { cluster: [`127.0.0.1:${redis.port}`] } });
    expect(code).toBe(3);
    expect(nodes[0]).toMatchObject({ status: 'bad', problem: { code: 'not_cluster' } });
  });
});
