import { setTimeout as sleep } from 'node:timers/promises';
import type { Advice } from '../redis/advice/advice.js';
import { cgroupLimit } from '../redis/cgroup.js';
import type { Channel, Limits } from '../redis/channel.js';
import type { Connections } from '../redis/connections.js';
import { parseInfo } from '../redis/info.js';
import { latencyOf } from '../redis/latency.js';
import type { Reply } from '../redis/resp.js';
import { everyServer } from '../redis/servers.js';
import type { Access, RedisTarget } from '../redis/target.js';
import { figuresOf } from './figures.js';
import { type Finding, worst } from './finding.js';
import type { RedisFigures, RedisLine } from './result.js';
import { judgeRedis, type LimitsFor } from './thresholds.js';

/** How a Redis is looked at. */
export interface Look {
  /** Milliseconds after which a second INFO gives the rates; 0: there is none. */
  sample: number;
  /** So many pings, spread over so many milliseconds. */
  pings: number;
  over: number;
}

/** One line for every Redis of a target; one that says why when they cannot be found. Closes nothing. */
export async function inspectRedis(
  connections: Connections,
  look: Look,
  limits: Limits,
  thresholds?: LimitsFor,
): Promise<RedisLine[]> {
  const { target } = connections;
  const measureOne = (channel: Channel, access: Access) =>
    measure(channel, target, access, look, limits);
  const seen = await everyServer(target, limits, measureOne, connections);
  const { roles } = target.config;
  return seen.map(({ address, value, problem }) => {
    const findings = value
      ? judgeRedis(value, roles, `redis:${target.name}`, thresholds)
      : unreachable(problem);
    return {
      target: target.name,
      address,
      status: worst(findings.map(({ status }) => status)),
      findings,
      ...value,
    };
  });
}

async function measure(
  channel: Channel,
  { config }: RedisTarget,
  { endpoint }: Access,
  { sample, pings, over }: Look,
  limits: Limits,
): Promise<RedisFigures> {
  const start = performance.now();
  // Any of these may be refused by an ACL or unknown to a fork.
  const [info, slowlog] = (await channel.pipeline([['INFO'], ['SLOWLOG', 'LEN']])) as [
    Reply,
    Reply,
  ];
  const first = fields(info) ?? {};
  // A server of its own would only say that it is none of a cluster.
  const cluster = first.cluster_enabled === '0' ? null : await channel.send('CLUSTER', 'INFO');
  const times = await ping(channel, pings, over / pings, limits);
  const second = sample > 0 ? fields(await channel.send('INFO')) : undefined;
  const ms = performance.now() - start;
  const { capacity } = config;
  return {
    ...figuresOf({ first, second, ms }, { capacity, cgroup: cgroupLimit(endpoint, first) }),
    latency_ms: latencyOf(times) ?? null,
    slowlog: typeof slowlog === 'number' ? slowlog : null,
    cluster_state: fields(cluster)?.cluster_state ?? null,
  };
}

/** Spread over the sample: a burst would measure how busy this process is with its other targets. */
async function ping(
  channel: Channel,
  count: number,
  every: number,
  { signal }: Limits,
): Promise<number[]> {
  const times: number[] = [];
  for (let sent = 0; sent < count; sent += 1) {
    await sleep(every, undefined, signal ? { signal } : {});
    const start = performance.now();
    await channel.send('PING');
    times.push(performance.now() - start);
  }
  return times;
}

const fields = (reply: Reply) => (typeof reply === 'string' ? parseInfo(reply) : undefined);

function unreachable(problem: Advice | undefined): Finding[] {
  if (!problem) return [];
  const { code, reason } = problem;
  // It is on its way up, not down.
  return [{ metric: code, status: code === 'loading' ? 'warn' : 'critical', message: reason }];
}
