import { setTimeout as sleep } from 'node:timers/promises';
import { explain } from '../redis/advice/explain.js';
import { type Channel, type Limits, openChannel } from '../redis/channel.js';
import { evidenceFor } from '../redis/evidence.js';
import { parseInfo } from '../redis/info.js';
import { latencyOf } from '../redis/latency.js';
import type { Reply } from '../redis/resp.js';
import { type Access, describe, label, type RedisTarget } from '../redis/target.js';
import { DiscoveryError, findNodes } from '../redis/topology.js';
import { figuresOf } from './figures.js';
import { type Finding, worst } from './finding.js';
import type { RedisFigures, RedisLine } from './result.js';
import { judgeRedis } from './thresholds.js';

const PINGS = 10;

/** One line for every Redis of a target; one that says why when they cannot be found. */
export async function inspectRedis(
  target: RedisTarget,
  sample: number,
  limits: Limits,
): Promise<RedisLine[]> {
  const [only] = target.seeds;
  if (target.kind === 'node' && only) return [await inspectNode(target, only, sample, limits)];
  try {
    const nodes = await findNodes(target, limits);
    return await Promise.all(
      nodes.map(({ access }) => inspectNode(target, access, sample, limits)),
    );
  } catch (error) {
    limits.signal?.throwIfAborted();
    const [failure] = error instanceof DiscoveryError ? error.failures : [];
    const access = failure?.access ?? only;
    if (!access) throw error;
    return [await unreachable(target, access, failure?.error ?? error, limits, describe(target))];
  }
}

async function inspectNode(
  target: RedisTarget,
  access: Access,
  sample: number,
  limits: Limits,
): Promise<RedisLine> {
  let channel: Channel | undefined;
  try {
    channel = await openChannel(access, limits);
    const figures = await measure(channel, target, sample, limits);
    const findings = judgeRedis(figures, target.config.roles);
    return {
      target: target.name,
      address: label(access.endpoint),
      status: worst(findings.map(({ status }) => status)),
      findings,
      ...figures,
    };
  } catch (error) {
    limits.signal?.throwIfAborted();
    return unreachable(target, access, error, limits);
  } finally {
    channel?.close();
  }
}

async function measure(
  channel: Channel,
  { config }: RedisTarget,
  sample: number,
  limits: Limits,
): Promise<RedisFigures> {
  const start = performance.now();
  // Any of these may be refused by an ACL or unknown to a fork.
  const [info, slowlog, cluster] = (await channel.pipeline([
    ['INFO'],
    ['SLOWLOG', 'LEN'],
    ['CLUSTER', 'INFO'],
  ])) as [Reply, Reply, Reply];
  const times = await pings(channel, sample / PINGS, limits);
  const second = sample > 0 ? fields(await channel.send('INFO')) : undefined;
  const ms = performance.now() - start;
  return {
    ...figuresOf({ first: fields(info) ?? {}, second, ms }, config.capacity),
    latency_ms: latencyOf(times) ?? null,
    slowlog: typeof slowlog === 'number' ? slowlog : null,
    cluster_state: fields(cluster)?.cluster_state ?? null,
  };
}

/** Spread over the sample: a burst would measure how busy this process is with its other targets. */
async function pings(channel: Channel, every: number, { signal }: Limits): Promise<number[]> {
  const times: number[] = [];
  for (let sent = 0; sent < PINGS; sent += 1) {
    await sleep(every, undefined, signal ? { signal } : {});
    const start = performance.now();
    await channel.send('PING');
    times.push(performance.now() - start);
  }
  return times;
}

const fields = (reply: Reply) => (typeof reply === 'string' ? parseInfo(reply) : undefined);

async function unreachable(
  { name }: RedisTarget,
  access: Access,
  error: unknown,
  limits: Limits,
  address = label(access.endpoint),
): Promise<RedisLine> {
  const { code, reason } = explain(error, access, await evidenceFor(error, access, limits));
  // It is on its way up, not down.
  const status = code === 'loading' ? 'warn' : 'critical';
  const finding: Finding = { metric: code, status, message: reason };
  return { target: name, address, status, findings: [finding] };
}
