import { performance } from 'node:perf_hooks';
import type { Advice } from './advice/advice.js';
import { explain } from './advice/explain.js';
import {
  clusterDown,
  isSentinel,
  linkDown,
  noMaster,
  noQuorum,
  notMaster,
  notReplica,
  readOnly,
} from './advice/state.js';
import {
  type Channel,
  demand,
  type Limits,
  openChannel,
  StageError,
  type Timings,
} from './channel.js';
import { evidenceFor } from './evidence.js';
import { parseInfo } from './info.js';
import { type Reply, ReplyError } from './resp.js';
import { type Access, label, type RedisTarget } from './target.js';
import { askRole, DiscoveryError, findNodes, type Role } from './topology.js';

/** Milliseconds. */
export interface Latency {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** What was seen of one Redis, or of one sentinel. */
export interface Probe {
  address: string;
  /** What it says it is; undefined when it cannot be asked. */
  role: Role | 'sentinel' | undefined;
  stages: Timings;
  /** The stage that failed. */
  failed: string | undefined;
  latency: Latency | undefined;
  problem: Advice | undefined;
}

type Expected = Role | 'sentinel' | undefined;

/**
 * Every Redis of a target and every sentinel, at the same time, each with its own limit: opened
 * stage by stage, pinged `count` times, asked for its state. Nothing that is wrong with a server throws.
 */
export async function probe(target: RedisTarget, count: number, limits: Limits): Promise<Probe[]> {
  const { kind, config, seeds } = target;
  const look = (access: Access, check: Check) => probeOne(access, count, limits, check);
  if (kind === 'node') {
    const expected = config.replica ? 'replica' : 'master';
    return Promise.all(
      seeds.map((access) => look(access, (channel) => nodeState(channel, access, expected))),
    );
  }
  const name = config.sentinel?.name ?? '';
  const sentinels = kind === 'sentinel' ? seeds : [];
  const [told, found] = await Promise.all([
    Promise.all(sentinels.map((access) => look(access, (channel) => sentinelState(channel, name)))),
    findNodes(target, limits).then(
      (nodes) =>
        Promise.all(
          nodes.map(({ access, role }) =>
            look(access, (channel) => nodeState(channel, access, role, true)),
          ),
        ),
      async (error: unknown) => {
        limits.signal?.throwIfAborted();
        if (!(error instanceof DiscoveryError)) throw error;
        // What the sentinels have to say stands in their own rows.
        return kind === 'sentinel'
          ? []
          : Promise.all(
              error.failures.map((failure) => failed(failure.access, failure.error, limits)),
            );
      },
    ),
  ]);
  return [...found, ...told];
}

type Check = (channel: Channel) => Promise<{ role: Expected; problem: Advice | undefined }>;

async function probeOne(
  access: Access,
  count: number,
  limits: Limits,
  check: Check,
): Promise<Probe> {
  let channel: Channel | undefined;
  const times: number[] = [];
  const abort = () => channel?.close();
  limits.signal?.addEventListener('abort', abort, { once: true });
  try {
    channel = await openChannel(access, limits);
    for (let sent = 0; sent < count; sent += 1) {
      const start = performance.now();
      demand(await channel.send('PING'));
      times.push(performance.now() - start);
    }
    const { role, problem } = await check(channel);
    return {
      address: label(access.endpoint),
      role,
      stages: channel.timings,
      failed: undefined,
      latency: latencyOf(times),
      problem,
    };
  } catch (error) {
    limits.signal?.throwIfAborted();
    const row = await failed(access, error, limits);
    return { ...row, stages: channel?.timings ?? row.stages, latency: latencyOf(times) };
  } finally {
    limits.signal?.removeEventListener('abort', abort);
    channel?.close();
  }
}

async function failed(access: Access, error: unknown, limits: Limits): Promise<Probe> {
  return {
    address: label(access.endpoint),
    role: undefined,
    stages: error instanceof StageError ? error.timings : {},
    failed: error instanceof StageError ? error.stage : 'ping',
    latency: undefined,
    problem: explain(error, access, await evidenceFor(error, access, limits)),
  };
}

/** `announced`: by sentinels or the cluster, rather than expected by the configuration. */
async function nodeState(
  channel: Channel,
  access: Access,
  expected: Role,
  announced = false,
): Promise<{ role: Expected; problem: Advice | undefined }> {
  const where = label(access.endpoint);
  const role = await askRole(channel);
  const [info, cluster] = (await channel.pipeline([
    ['INFO', 'replication'],
    ['CLUSTER', 'INFO'],
  ])) as [Reply, Reply];
  // Neither is certain: an ACL may refuse both, and CLUSTER is an error where clustering is off.
  const replication = typeof info === 'string' ? parseInfo(info) : {};
  const state = typeof cluster === 'string' ? parseInfo(cluster) : {};
  const problem = () => {
    if (role === 'sentinel') return isSentinel(where);
    if (state.cluster_state === 'fail')
      return clusterDown(
        `the cluster is down: ${state.cluster_slots_ok ?? '?'} of 16384 slots are served`,
      );
    if (role === 'replica' && expected === 'master')
      return announced ? notMaster(where) : readOnly(where);
    if (role === 'master' && expected === 'replica') return notReplica(where);
    if (role === 'replica' && replication.master_link_status === 'down') return linkDown(where);
    return undefined;
  };
  return { role, problem: problem() };
}

async function sentinelState(
  channel: Channel,
  name: string,
): Promise<{ role: Expected; problem: Advice | undefined }> {
  const [master, quorum] = (await channel.pipeline([
    ['SENTINEL', 'get-master-addr-by-name', name],
    ['SENTINEL', 'ckquorum', name],
  ])) as [Reply, Reply];
  const problem = () => {
    if (master === null) return noMaster(`knows no master of the name "${name}"`);
    if (quorum instanceof ReplyError && quorum.code === 'NOQUORUM') return noQuorum(quorum.message);
    return undefined;
  };
  return { role: 'sentinel', problem: problem() };
}

/** Percentiles by nearest rank: each is a time that was measured. */
function latencyOf(times: number[]): Latency | undefined {
  if (times.length === 0) return undefined;
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return { count: times.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}
