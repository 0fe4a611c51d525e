import { monotonic } from '../monotonic.js';
import type { Advice } from './advice/advice.js';
import { explain } from './advice/explain.js';
import {
  type Channel,
  type Limits,
  openChannel,
  type Stage,
  StageError,
  type Timings,
} from './channel.js';
import { checkNode, checkSentinel, type Finding } from './checks.js';
import { evidenceFor } from './evidence.js';
import { pingOnce } from './greet.js';
import { type Latency, latencyOf } from './latency.js';
import { type Access, label, type RedisTarget } from './target.js';
import { DiscoveryError, findNodes, type Role } from './topology.js';

/** What was seen of one Redis, or of one sentinel. */
export interface Probe {
  address: string;
  /** What it says it is; undefined when it cannot be asked. */
  role: Role | 'sentinel' | undefined;
  /** What the sentinels, the cluster or the configuration say it is. */
  announced: Role | 'sentinel' | undefined;
  stages: Timings;
  /** The stage that failed. */
  failed: Stage | undefined;
  latency: Latency | undefined;
  problem: Advice | undefined;
}

/** One server to look at, and what to ask it once it answers. */
interface Subject {
  access: Access;
  announced?: Role | 'sentinel';
  check: (channel: Channel) => Promise<Finding>;
}

/**
 * Every Redis of a target and every sentinel, at the same time, each with its own limit: opened
 * stage by stage, pinged `count` times, asked for its state. Nothing that is wrong with a server throws.
 */
export async function probe(target: RedisTarget, count: number, limits: Limits): Promise<Probe[]> {
  const { kind, config, seeds } = target;
  const look = (subjects: Subject[]) =>
    Promise.all(subjects.map((subject) => probeOne(subject, count, limits)));
  if (kind === 'node') {
    const expected = config.replica ? 'replica' : 'master';
    return look(
      seeds.map((access) => ({
        access,
        check: (channel) => checkNode(channel, access, { expected }),
      })),
    );
  }
  const lookAtNodes = async () => {
    const nodes = await discover(target, limits);
    return nodes instanceof DiscoveryError ? nodes : await look(nodes);
  };
  const [found, sentinels] = await Promise.all([
    lookAtNodes(),
    look(kind === 'sentinel' ? seeds.map((access) => sentinelSubject(access, target)) : []),
  ]);
  if (!(found instanceof DiscoveryError)) return [...found, ...sentinels];
  // What hinders a sentinel stands in its own row already.
  if (sentinels.some(({ problem }) => problem)) return sentinels;
  return Promise.all(
    found.failures.map(({ access, error }) => failed({ access, ...asSeed(target) }, error, limits)),
  );
}

/**
 * Whether an application could connect: to the one node, to the master behind the sentinels (or a
 * replica, where one is meant), to any node of the cluster. A bad state is another matter.
 */
export function isReached(
  { kind, config }: RedisTarget,
  probes: readonly Pick<Probe, 'announced' | 'problem'>[],
): boolean {
  const wanted = config.replica ? 'replica' : 'master';
  const nodes = kind === 'sentinel' ? probes.filter(({ announced }) => announced === wanted) : [];
  return (nodes.length > 0 ? nodes : probes).some(({ problem }) => problem?.reachable !== false);
}

/** The nodes as the sentinels or the cluster tell them, or why none of these can. */
async function discover(target: RedisTarget, limits: Limits): Promise<Subject[] | DiscoveryError> {
  try {
    const nodes = await findNodes(target, limits);
    return nodes.map(({ access, role }) => ({
      access,
      announced: role,
      check: (channel) => checkNode(channel, access, { announced: role }),
    }));
  } catch (error) {
    limits.signal?.throwIfAborted();
    if (error instanceof DiscoveryError) return error;
    throw error;
  }
}

function sentinelSubject(access: Access, target: RedisTarget): Subject {
  const name = target.config.sentinel?.name ?? '';
  return { access, ...asSeed(target), check: (channel) => checkSentinel(channel, access, name) };
}

const asSeed = ({ kind }: RedisTarget): { announced?: 'sentinel' } =>
  kind === 'sentinel' ? { announced: 'sentinel' } : {};

async function probeOne(subject: Subject, count: number, limits: Limits): Promise<Probe> {
  const { access, announced, check } = subject;
  let channel: Channel | undefined;
  const times: number[] = [];
  const abort = () => channel?.close();
  limits.signal?.addEventListener('abort', abort, { once: true });
  try {
    channel = await openChannel(access, limits);
    for (let sent = 0; sent < count; sent += 1) {
      const start = monotonic();
      await pingOnce(channel);
      times.push(monotonic() - start);
    }
    const { role, problem } = await check(channel);
    return {
      address: label(access.endpoint),
      role,
      announced,
      stages: channel.timings,
      failed: undefined,
      latency: latencyOf(times),
      problem,
    };
  } catch (error) {
    limits.signal?.throwIfAborted();
    const row = await failed(subject, error, limits);
    return { ...row, stages: channel?.timings ?? row.stages, latency: latencyOf(times) };
  } finally {
    limits.signal?.removeEventListener('abort', abort);
    channel?.close();
  }
}

async function failed(
  { access, announced }: Pick<Subject, 'access' | 'announced'>,
  error: unknown,
  limits: Limits,
): Promise<Probe> {
  const problem = explain(error, access, await evidenceFor(error, access, limits));
  // What breaks on an open connection is seen like a PING without an answer.
  const stage = error instanceof StageError ? error.stage : problem.reachable ? undefined : 'ping';
  return {
    address: label(access.endpoint),
    role: undefined,
    announced,
    stages: error instanceof StageError ? error.timings : {},
    failed: stage,
    latency: undefined,
    problem,
  };
}
