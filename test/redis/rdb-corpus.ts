import { join } from 'node:path';
import { type Channel, openChannel } from '../../src/redis/channel.js';
import type { KeyFact } from '../../src/redis/key-fact.js';
import { type RdbEnd, type RdbHooks, readRdb } from '../../src/redis/rdb/read.js';
import { ReplyError } from '../../src/redis/resp.js';
import type { RedisServer } from '../servers/redis.js';

export type Command = (string | number)[];

/** A channel to a test server on which keys and values are bytes. */
export async function bytesChannel(port: number): Promise<Channel> {
  const channel = await openChannel({ endpoint: { host: '127.0.0.1', port } }, { timeout: 20_000 });
  channel.speakBytes();
  return channel;
}

/** Sends commands in batches; throws the first error reply. */
export async function sendAll(channel: Channel, commands: Command[]): Promise<void> {
  for (let from = 0; from < commands.length; from += 2_000) {
    const replies = await channel.pipeline(commands.slice(from, from + 2_000));
    const failed = replies.find((reply) => reply instanceof ReplyError);
    if (failed) throw failed;
  }
}

/** Every fact of a file or stream, copied, by `db:key`. */
export async function factsOf(
  input: AsyncIterable<Uint8Array> | string,
  hooks?: RdbHooks,
): Promise<{ end: RdbEnd; facts: Map<string, KeyFact> }> {
  const facts = new Map<string, KeyFact>();
  const end = await readRdb(
    input,
    { add: (fact) => facts.set(`${fact.db}:${fact.key}`, { ...fact }) },
    hooks,
  );
  return { end, facts };
}

export async function save(server: RedisServer, channel: Channel): Promise<string> {
  if ((await channel.send('SAVE')) !== 'OK') throw new Error('SAVE failed');
  return join(server.dir, 'dump.rdb');
}

const COUNTS: Record<string, string> = {
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  hash: 'HLEN',
  stream: 'XLEN',
};

/** What the server says of the same keys of one database, as facts. */
export async function askServer(
  channel: Channel,
  db: number,
  keys: readonly string[],
): Promise<KeyFact[]> {
  await channel.send('SELECT', db);
  const ask = (commands: Command[]) => channel.pipeline(commands);
  const types = (await ask(keys.map((key) => ['TYPE', key]))) as string[];
  const bytes = await ask(keys.map((key) => ['MEMORY', 'USAGE', key, 'SAMPLES', 0]));
  const ttls = (await ask(keys.map((key) => ['PTTL', key]))) as number[];
  const encodings = await ask(keys.map((key) => ['OBJECT', 'ENCODING', key]));
  const counted = await ask(keys.map((key, at) => [COUNTS[types[at] as string] ?? 'EXISTS', key]));
  return keys.map((key, at) => ({
    db,
    key,
    type: types[at] as string,
    bytes: bytes[at] as number,
    ttl_ms: (ttls[at] as number) < 0 ? null : (ttls[at] as number),
    encoding: encodings[at] as string,
    elements: types[at] === 'string' ? null : (counted[at] as number),
    idle_s: null,
    frequency: null,
  }));
}

/** A text that LZF cannot shorten, the same for the same `seed`. */
export function noise(seed: number, length: number): string {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Keys of every type and encoding, in sizes that grow up to `most` elements. */
export function mixedCorpus(most: number): Command[] {
  const sizes = [1, 2, 3, 5, 8, 13, 21, 40, 77, 127, 128, 129, 200, 310, 511, 513, 700, most];
  return [
    ...strings(),
    ...sizes.flatMap((size, at) => collections(size, at)),
    ...[1, 40, 300, 1_000].flatMap((entries) => stream(entries)),
    ['RPUSH', 'list:plain', 'x'.repeat(20_000), noise(1, 9_000), 'small'],
    ['HSET', 'hash:long-value', 'field', 'x'.repeat(65), 'empty', ''],
    ['SADD', 'set:one', ''],
  ];
}

function strings(): Command[] {
  const values = ['', '0', '-1', '007', '-0', '+5', '-', '12a', '1'.repeat(20), '123456789012'];
  const limits = ['9223372036854775807', '9223372036854775808'];
  limits.push('-9223372036854775808', '-9223372036854775809', '2147483648', '-129', '32768');
  const bytes = String.fromCharCode(...range(256));
  return [
    ...[...values, ...limits].map((value) => ['SET', `edge:${value}`, value]),
    ...range(300).map((at) => ['SET', `text:${noise(at, at % 70)}${at}`, noise(at, at * 3)]),
    ...range(300).map((at) => ['SET', `number:${at}`, at * 7_919 - 1_000]),
    ...range(100).map((at) => ['SET', String(at - 50), 'a key that is a number']),
    ['SET', 'repeated '.repeat(20), 'a key that LZF makes shorter'],
    ['SET', '', 'an empty key'],
    ['SET', bytes, bytes],
    ['SET', 'k'.repeat(1_048_576), 'a key of 1 MB'],
    ['SET', 'new\nline\ttab "quote" \u001b[31mred', 'text'],
    ['SET', 'big', noise(3, 3_000_000)],
    ['SET', 'big:shrinks', 'abc'.repeat(1_000_000)],
  ];
}

function collections(size: number, at: number): Command[] {
  const all = range(size);
  return [
    ['RPUSH', `list:${size}`, ...all.map((n) => noise(n, (n * 7) % 100))],
    ['SADD', `ints:${size}`, ...all.map((n) => n * 70_001)],
    ['SADD', `set:${size}`, ...all.map((n) => `${noise(n, n % 40)}-${n}`)],
    ['HSET', `hash:${size}`, ...all.flatMap((n) => [`f${n}`, n % 3 ? noise(n, n % 30) : n])],
    ['HSET', `wide:${size}`, ...all.flatMap((n) => [`field-${n}`, noise(n, 65 + (n % 90))])],
    ['ZADD', `zset:${size}`, ...all.flatMap((n) => [n / 7, `${noise(n, n % 30)}${n}`])],
    ...(at % 2 ? [['PEXPIRE', `list:${size}`, 3_600_000 * (at + 1)]] : []),
  ];
}

function stream(entries: number): Command[] {
  const key = `stream:${entries}`;
  const read = (group: string, consumer: string, count: number): Command => [
    ...['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, '>'],
  ];
  return [
    ...range(entries).map((n) => [
      'XADD',
      key,
      `${1_717_000_000_000 + n * n * 331}-${n % 3}`,
      'a',
      noise(n, n % 60),
    ]),
    ['XGROUP', 'CREATE', key, 'workers', '0'],
    ['XGROUP', 'CREATE', key, 'auditors', '0'],
    read('workers', 'first', Math.ceil(entries / 3)),
    read('workers', 'second', Math.ceil(entries / 3)),
    ['XGROUP', 'CREATECONSUMER', key, 'auditors', 'idle'],
    ['XDEL', key, '1717000000000-0'],
    ['XADD', key, '*', 'last', 'one'],
  ];
}
