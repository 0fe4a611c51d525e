import type { Channel } from '../redis/channel.js';
import { type Info, numberIn, parseInfo } from '../redis/info.js';
import { type Reply, ReplyError } from '../redis/resp.js';

/** What a server says of its memory at one moment. Any part may be missing: rights and versions differ. */
export interface Reading {
  info: Info;
  stats: Stats;
  /** Buffers of subscribed clients, in bytes. */
  pubsub: number | null;
  missing: { command: string; reason: string }[];
}

/** MEMORY STATS: figures by their name, and those of each database. */
export interface Stats {
  figures: Record<string, number>;
  databases: Map<number, Record<string, number>>;
}

/** CLIENT LIST holds the server for as long as it has clients to list. */
const MOST_LISTED_CLIENTS = 1_000;

/** One round trip; a second one where clients have subscribed. Reads only. */
export async function read(channel: Channel): Promise<Reading> {
  const [info, memory, limits] = (await channel.pipeline([
    ['INFO'],
    ['MEMORY', 'STATS'],
    ['CONFIG', 'GET', 'maxmemory*'],
  ])) as [Reply, Reply, Reply];
  const stats = statsOf(memory);
  const said = typeof info === 'string' ? parseInfo(info) : fromOthers(stats, limits);
  const pubsub = await pubsubBytes(channel, said);
  const missing = [
    ...refusal('INFO', info),
    ...refusal('MEMORY STATS', memory),
    // INFO says the same and more.
    ...(typeof info === 'string' ? [] : refusal('CONFIG GET', limits)),
    ...refusal('CLIENT LIST', pubsub),
  ];
  return { info: said, stats, pubsub: typeof pubsub === 'number' ? pubsub : null, missing };
}

function refusal(command: string, reply: Reply): Reading['missing'] {
  return reply instanceof ReplyError ? [{ command, reason: reply.message }] : [];
}

/** The most important figures of INFO where only INFO is refused. */
function fromOthers({ figures }: Stats, limits: Reply): Info {
  const config = new Map(pairs(limits));
  const fields = {
    used_memory: figures['total.allocated'],
    used_memory_peak: figures['peak.allocated'],
    maxmemory: config.get('maxmemory'),
    maxmemory_policy: config.get('maxmemory-policy'),
  };
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  );
}

function statsOf(reply: Reply): Stats {
  const stats: Stats = { figures: {}, databases: new Map() };
  for (const [name, value] of pairs(reply)) {
    const db = /^db\.(\d+)$/.exec(name)?.[1];
    if (db !== undefined) stats.databases.set(Number(db), numbers(value));
    else if (!Array.isArray(value)) stats.figures[name] = Number(value);
  }
  return stats;
}

const numbers = (reply: Reply): Record<string, number> =>
  Object.fromEntries(pairs(reply).map(([name, value]) => [name, Number(value)]));

/** A flat list of names and values. */
function pairs(reply: Reply): [name: string, value: Reply][] {
  if (!Array.isArray(reply)) return [];
  return Array.from({ length: reply.length >> 1 }, (_, index) => [
    String(reply[2 * index]),
    reply[2 * index + 1] as Reply,
  ]);
}

/** No other command has them apart from the buffers of all clients. */
async function pubsubBytes(channel: Channel, info: Info): Promise<Reply> {
  const subscribed = ['pubsub_channels', 'pubsub_patterns', 'pubsubshard_channels'].map((field) =>
    numberIn(info, field),
  );
  if (subscribed.every((some) => some === null)) return null;
  if (subscribed.every((some) => !some)) return 0;
  if ((numberIn(info, 'connected_clients') ?? 0) > MOST_LISTED_CLIENTS) return null;
  const list = await channel.send('CLIENT', 'LIST', 'TYPE', 'pubsub');
  if (typeof list !== 'string') return list;
  const each = [...list.matchAll(/ tot-mem=(\d+)/g)].map(([, bytes]) => Number(bytes));
  // Before Redis 6.2 a client's memory is not said.
  return each.length === 0 ? null : each.reduce((sum, bytes) => sum + bytes, 0);
}
