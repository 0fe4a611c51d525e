import type { Channel } from '../channel.js';
import { parseInfo } from '../info.js';
import { type Reply, ReplyError } from '../resp.js';
import type { CursorOrder } from './position.js';
import type { EndReason } from './types.js';

/** What a server says of itself. Rights differ: whatever is undefined it may not be asked. */
export interface ServerState {
  /** The command that told; undefined when none may be asked. */
  by: 'INFO' | 'HELLO' | undefined;
  order: CursorOrder;
  role: string | undefined;
  run_id: string | undefined;
  loading: boolean;
  evicted: number | undefined;
  uptime_s: number;
  /** Databases that hold keys. */
  databases: number[] | undefined;
}

/** INFO, or what HELLO tells everybody: no ACL takes that away (NO_AUTH in src/commands/hello.json). */
export async function readState(
  channel: Channel,
  cluster: boolean,
  by: ServerState['by'] = 'INFO',
): Promise<ServerState> {
  if (by === 'INFO') {
    const info = await channel.send('INFO');
    if (typeof info === 'string') return fromInfo(parseInfo(info), cluster);
    if (info instanceof ReplyError && info.code === 'LOADING') return unknown({ loading: true });
  }
  const hello = fields(await channel.send('HELLO'));
  if (!hello.version) return unknown();
  return unknown({
    by: 'HELLO',
    order: orderOf(hello.server ?? '', hello.version, cluster || hello.mode === 'cluster'),
    role: hello.role,
  });
}

const unknown = (known: Partial<ServerState> = {}): ServerState => ({
  by: undefined,
  order: 'opaque',
  role: undefined,
  run_id: undefined,
  loading: false,
  evicted: undefined,
  uptime_s: 0,
  databases: undefined,
  ...known,
});

function fromInfo(info: Record<string, string>, cluster: boolean): ServerState {
  // Dragonfly's cursors name a shard, Garnet's an address.
  const isFork = Object.keys(info).some((name) => /^(dragonfly|garnet|kvrocks)/.test(name));
  const name = info.valkey_version ? 'valkey' : 'redis';
  const version = info.valkey_version ?? info.redis_version ?? '';
  return {
    by: 'INFO',
    order: isFork ? 'opaque' : orderOf(name, version, cluster || info.cluster_enabled === '1'),
    role: info.role === 'slave' ? 'replica' : info.role,
    run_id: info.run_id,
    loading: info.loading === '1' || info.async_loading === '1',
    evicted: info.evicted_keys === undefined ? undefined : Number(info.evicted_keys),
    uptime_s: Number(info.uptime_in_seconds ?? 0),
    databases: Object.keys(info)
      .filter((field) => /^db\d+$/.test(field))
      .map((field) => Number(field.slice(2))),
  };
}

/** Since Redis 7.4 and Valkey 8 a cluster node has a table for each slot (src/kvstore.c). */
function orderOf(name: string, version: string, cluster: boolean): CursorOrder {
  const [major = Number.NaN, minor = 0] = version.split('.').map(Number);
  if (Number.isNaN(major) || !/^(redis|valkey)$/.test(name)) return 'opaque';
  if (!cluster) return 'dict';
  const slots = name === 'valkey' ? major >= 8 : major > 7 || (major === 7 && minor >= 4);
  return slots ? 'slots' : 'dict';
}

function fields(reply: Reply): Record<string, string> {
  const found: Record<string, string> = {};
  if (!Array.isArray(reply)) return found;
  for (let at = 0; at + 1 < reply.length; at += 2) found[String(reply[at])] = String(reply[at + 1]);
  return found;
}

/** Evictions beyond this many times what the server does all its life are ours. */
const MUCH_MORE = 10;

/** What has changed since the scan began and forbids to go on; undefined when nothing has. */
export function trouble(
  before: ServerState,
  now: ServerState,
  seconds: number,
): { reason: EndReason; detail: string } | undefined {
  if (now.loading) return { reason: 'loading', detail: 'the server is loading its data' };
  if (before.role && now.role && before.role !== now.role)
    return { reason: 'role', detail: `the server was a ${before.role} and is a ${now.role} now` };
  if (before.evicted === undefined || now.evicted === undefined) return undefined;
  const evicted = now.evicted - before.evicted;
  const usual = (before.evicted / Math.max(before.uptime_s, 1)) * seconds;
  if (evicted > 0 && evicted > MUCH_MORE * usual)
    return { reason: 'evicting', detail: `the server has begun to evict keys (${evicted})` };
  return undefined;
}

/** What a node of a cluster has. */
export interface Slots {
  /** Of the node itself, or of its master, in order. */
  own: number[];
  /** Some of them are on their way to or from another node. */
  moving: boolean;
  /** Changes whenever a slot has come or gone, even if it is back since: every move has its own epoch. */
  version: string;
}

/** Whether slots have come or gone since `version`, or are on their way. */
export async function haveMoved(
  channel: Channel,
  before: Slots | undefined,
  version: string | null,
): Promise<boolean> {
  const now = before && (await readSlots(channel).catch(() => undefined));
  if (!now) return false;
  return before.moving || now.moving || now.version !== (version ?? now.version);
}

/** Undefined where it cannot be asked. */
export async function readSlots(channel: Channel): Promise<Slots | undefined> {
  const text = await channel.send('CLUSTER', 'NODES');
  if (typeof text !== 'string') return undefined;
  // https://redis.io/docs/latest/commands/cluster-nodes/: id, address, flags, master's id, ping, pong,
  // epoch, link, slots; `[93->-id]` is one that leaves, `[93-<-id]` one that comes.
  const nodes = text.split('\n').map((line) => line.split(' '));
  const myself = nodes.find(([, , flags]) => flags?.includes('myself'));
  const master = nodes.find(([id]) => id && id === myself?.[3]) ?? myself;
  const ranges = master?.slice(8) ?? [];
  const own: number[] = [];
  for (const range of ranges) {
    const [from, to = from] = range.split('-').map(Number);
    if (from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to)) continue;
    for (let slot = from; slot <= to; slot += 1) own.push(slot);
  }
  return {
    own: own.sort((a, b) => a - b),
    moving: ranges.some((range) => range.startsWith('[')),
    version: [master?.[0], master?.[6], ...ranges].join(' '),
  };
}
