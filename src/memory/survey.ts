import { CacheOpsError, messageOf } from '../errors.js';
import { type Limits, openChannel } from '../redis/channel.js';
import { numberIn, parseInfo } from '../redis/info.js';
import type { KeySink } from '../redis/key-fact.js';
import { describeKeys } from '../redis/scan/describe.js';
import { scanServer } from '../redis/scan/scan.js';
import type { ScanEnd, ScanOptions, ScanProgress } from '../redis/scan/types.js';
import { connectError } from '../redis/servers.js';
import { type Access, label, type RedisTarget } from '../redis/target.js';
import { findNodes } from '../redis/topology.js';
import type { ServerCheckpoint } from './checkpoint.js';
import { Tally } from './tally/tally.js';

/** What to look at, and how gently. */
export interface SurveyOptions extends Omit<ScanOptions, 'resume' | 'cluster' | 'timeout'> {
  /** Smaller keys are left out. Bytes. */
  over?: number | undefined;
  /** Of each master a replica is read, where there is one. */
  replica: boolean;
  /** So many of the largest keys are kept. */
  top: number;
}

/** What was seen of one server. */
export interface Surveyed {
  address: string;
  tally: Tally;
  /** Null when it could not be connected to: `problem` says why. */
  end: ScanEnd | null;
  problem: string;
  used_memory: number | null;
}

export interface SurveyHooks {
  signal: AbortSignal;
  /** By address; about four times a second each. */
  progress(address: string, progress: ScanProgress): void;
  /** About once a second each: what the tally holds and the position are of the same moment. */
  checkpoint(address: string, checkpoint: () => ServerCheckpoint): void;
  /** Where each server's scan goes on. */
  resume: Readonly<Record<string, ServerCheckpoint>>;
}

/** Most nodes of all prefix trees together. */
const NODES = 20_000;

/**
 * Sums up the keys of every master of a target, or of a replica of each, all servers at once, each at
 * its own pace. Throws when none can be connected to; of several, one that fails hides no other.
 */
export async function survey(
  target: RedisTarget,
  options: SurveyOptions,
  limits: Limits,
  hooks: SurveyHooks,
): Promise<Surveyed[]> {
  const accesses = await serversOf(target, options.replica, limits);
  const seen = await Promise.all(
    accesses.map((access) => one(target, access, options, accesses.length, limits, hooks)),
  );
  const [first] = seen;
  if (first?.error && seen.every(({ error }) => error !== undefined)) throw first.error;
  return seen;
}

/** One access a master. A node is read whatever its role is. */
export async function serversOf(
  target: RedisTarget,
  replica: boolean,
  limits: Limits,
): Promise<Access[]> {
  if (target.kind === 'node' && !replica) return target.seeds;
  try {
    const nodes = await findNodes(target, limits);
    const masters = nodes.filter(({ role }) => role === 'master');
    if (!replica) return masters.map(({ access }) => access);
    const replicas = nodes.filter(({ role }) => role === 'replica');
    if (target.kind !== 'cluster') {
      const [first] = replicas;
      if (!first) throw noReplica(target.name);
      return [first.access];
    }
    return masters.map(({ access }) => {
      const address = label(access.endpoint);
      const own = replicas.find(({ replicaOf }) => replicaOf === address);
      if (!own) throw noReplica(address);
      return own.access;
    });
  } catch (error) {
    const [seed] = target.seeds;
    if (!seed) throw error;
    throw await connectError(target, seed, error, limits);
  }
}

const noReplica = (of: string) =>
  new CacheOpsError(
    'usage',
    `${of} has no replica that is known`,
    'name one by its URL, or leave --replica out: the scan slows down as soon as others wait for it',
  );

async function one(
  target: RedisTarget,
  access: Access,
  { over, top, replica, ...options }: SurveyOptions,
  servers: number,
  limits: Limits,
  hooks: SurveyHooks,
): Promise<Surveyed & { error?: unknown }> {
  const address = label(access.endpoint);
  const before = hooks.resume[address];
  const size = { top, nodes: Math.ceil(NODES / servers) };
  const tally = before
    ? Tally.restore(before.tally, size)
    : new Tally({ server: address, ...size });
  if (before?.done) return { address, tally, end: null, problem: '', used_memory: null };
  const sink: KeySink =
    over === undefined
      ? tally
      : { add: (fact) => (fact.bytes >= over ? tally.add(fact) : undefined) };
  try {
    const end = await scanServer(
      access,
      {
        ...options,
        timeout: limits.timeout,
        cluster: target.kind === 'cluster',
        ...(before?.position && { resume: before.position }),
      },
      sink,
      {
        signal: hooks.signal,
        progress: (progress) => hooks.progress(address, progress),
        position: (position) =>
          hooks.checkpoint(address, () => ({ position, tally: tally.toJSON(), done: false })),
      },
    );
    hooks.checkpoint(address, () => ({
      position: end.position,
      tally: tally.toJSON(),
      done: end.reason === 'done',
    }));
    const used_memory = await complete(access, target.kind === 'cluster', tally, limits);
    return { address, tally, end, problem: problemOf(end), used_memory };
  } catch (error) {
    const told = await connectError(target, access, error, { timeout: limits.timeout });
    return { address, tally, end: null, problem: messageOf(told), used_memory: null, error: told };
  }
}

/** Why what was seen is not every key; empty when it is. */
function problemOf(end: ScanEnd): string {
  if (end.reason !== 'done') return end.detail || end.reason;
  const short = end.databases.find((database) => database.short);
  if (short)
    return `far fewer keys came than database ${short.db} has: a proxy or an unknown server`;
  if (end.slots_moved)
    return 'slots of the cluster moved: some keys may be missing or counted twice';
  const lost = end.databases.reduce((sum, { moved }) => sum + moved, 0);
  return lost > 0 ? `${lost} keys moved to another node of the cluster meanwhile` : '';
}

/** Encoding, elements and idle time of the keys that are shown; how much the server uses. */
async function complete(
  access: Access,
  cluster: boolean,
  tally: Tally,
  limits: Limits,
): Promise<number | null> {
  const kept = [...tally.kept()];
  try {
    const channel = await openChannel(access, { timeout: limits.timeout, withoutPing: true });
    try {
      const info = await channel.send('INFO', 'memory');
      channel.speakBytes();
      // A replica sends readers away without it.
      if (cluster) await channel.send('READONLY');
      const details = await describeKeys(channel, kept);
      for (const [at, key] of kept.entries()) Object.assign(key, details[at]);
      return typeof info === 'string' ? numberIn(parseInfo(info), 'used_memory') : null;
    } finally {
      channel.close();
    }
  } catch {
    // The server has gone, or the user may not: the sizes are there all the same.
    return null;
  }
}
