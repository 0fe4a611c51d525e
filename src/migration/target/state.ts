import { CacheOpsError } from '../../errors.js';
import type { Master, Masters } from '../../keys/masters.js';
import { cgroupLimit } from '../../redis/cgroup.js';
import { type Info, numberIn, parseInfo } from '../../redis/info.js';
import { countedIn, memoryOf } from '../../redis/memory.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Expiry } from './replies.js';

/** Bytes in use and the limit, over all masters; null where a server does not say. */
export interface Room {
  used_bytes: number | null;
  limit_bytes: number | null;
}

/** What a migration asks of the servers that it writes to. */
export interface TargetState extends Room {
  /** Which processes they are, by master: after a restart or a failover others. */
  run_ids: string;
  /** How far the target's clock is ahead of ours, in ms. */
  ahead_ms: number;
  /** What says when a key expires. */
  expiry: Expiry;
}

/** Asks every master; throws `refused` for one that is too old or takes no writes. */
export async function stateOf(masters: Masters, target: RedisTarget): Promise<TargetState> {
  const states = await Promise.all(masters.nodes.map((node) => stateOfNode(node, target)));
  return {
    ...sumOf(states),
    // The nodes of a cluster are told in another order by each of them.
    run_ids: states
      .map(({ run_id }) => run_id)
      .sort()
      .join(),
    ahead_ms: Math.round(Math.max(...states.map(({ ahead_ms }) => ahead_ms))),
    expiry: states.every(({ old }) => !old) ? 'PEXPIRETIME' : 'PTTL',
  };
}

/** Asks every master only that: what adds jobs has no need of the rest. */
export async function roomOf(masters: Masters, target: RedisTarget): Promise<Room> {
  const rooms = masters.nodes.map(async (node) => {
    const text = await node.channel.send('INFO');
    return roomIn(typeof text === 'string' ? parseInfo(text) : {}, node, target);
  });
  return sumOf(await Promise.all(rooms));
}

function sumOf(rooms: readonly Room[]): Room {
  const sum = (numbers: (number | null)[]) =>
    numbers.reduce<number | null>(
      (total, number) => (total === null || number === null ? null : total + number),
      0,
    );
  return {
    used_bytes: sum(rooms.map(({ used_bytes }) => used_bytes)),
    limit_bytes: sum(rooms.map(({ limit_bytes }) => limit_bytes)),
  };
}

function roomIn(info: Info, { access }: Master, { config }: RedisTarget): Room {
  const memory = memoryOf(info, {
    capacity: config.capacity,
    cgroup: cgroupLimit(access.endpoint, info),
  });
  return {
    used_bytes: countedIn(info) ?? numberIn(info, 'used_memory'),
    limit_bytes: memory.limit_bytes,
  };
}

async function stateOfNode(node: Master, target: RedisTarget) {
  const { address, channel } = node;
  const began = Date.now();
  const [text, time] = await channel.pipeline([['INFO'], ['TIME']]);
  const middle = (began + Date.now()) / 2;
  const info = typeof text === 'string' ? parseInfo(text) : {};
  const version = info.redis_version?.split('.').map(Number);
  const [major = 7, minor = 0] = version ?? [];
  // SET ... PXAT: https://redis.io/docs/latest/commands/set/
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new CacheOpsError(
      'refused',
      `${address} is Redis ${info.redis_version}: a migration needs 6.2 or later`,
      'it writes the moment at which a key expires (SET ... PXAT), so that a resumed run changes none',
    );
  }
  if (info.role === 'slave')
    throw new CacheOpsError('refused', `${address} is a replica: it takes no writes`);
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  return {
    ...roomIn(info, node, target),
    run_id: info.run_id ?? `unknown-${crypto.randomUUID()}`,
    ahead_ms:
      seconds === undefined || micros === undefined ? 0 : seconds * 1_000 + micros / 1_000 - middle,
    old: major < 7,
  };
}

/** How full a target may get. */
export const FULLEST = 0.8;

/** The share of its memory that a target would use with so many more bytes; null where it is not known. */
export function shareWith({ used_bytes, limit_bytes }: Room, more: number): number | null {
  return used_bytes === null || !limit_bytes ? null : (used_bytes + more) / limit_bytes;
}
