import { onTestFinished } from 'vitest';
import { type Channel, openChannel } from '../../src/redis/channel.js';
import type { KeyFact } from '../../src/redis/key-fact.js';
import { ReplyError } from '../../src/redis/resp.js';
import { scanServer } from '../../src/redis/scan/scan.js';
import type { ScanEnd, ScanHooks, ScanOptions } from '../../src/redis/scan/types.js';
import type { Access } from '../../src/redis/target.js';
import { redisForTest } from '../commands/pinging.js';

export const at = (port: number): Access => ({ endpoint: { host: '127.0.0.1', port } });

export type Args = readonly (string | number)[];

/** A connection that speaks bytes until the end of the test. */
export async function connected(access: Access | number): Promise<Channel> {
  const channel = await openChannel(typeof access === 'number' ? at(access) : access, {
    timeout: 30_000,
  });
  channel.speakBytes();
  onTestFinished(() => channel.close());
  return channel;
}

/** Sends commands, some thousands at once; throws the first error reply. */
export async function sendAll(channel: Channel, commands: readonly Args[]): Promise<void> {
  for (let from = 0; from < commands.length; from += 5_000) {
    const replies = await channel.pipeline(commands.slice(from, from + 5_000));
    const error = replies.find((reply) => reply instanceof ReplyError);
    if (error) throw error;
  }
}

/** `count` strings named prefix0, prefix1...; every second one expires in an hour or so. */
export const strings = (count: number, prefix = 'key:'): Args[] =>
  Array.from({ length: count }, (_, index) => [
    ...['SET', `${prefix}${index}`, 'x'.repeat(index % 50)],
    ...(index % 2 ? ['EX', 3_600 + index] : []),
  ]);

export interface Scanned {
  end: ScanEnd;
  /** By `db/key`. */
  facts: Map<string, KeyFact>;
  /** How often each was handed over, where that is not once. */
  repeated: Map<string, number>;
}

export const ALL = { type: true, size: 'samples', ttl: true } as const;

/** Scans everything unless told otherwise; `into` is what an earlier run has found already. */
export async function scan(
  access: Access | number,
  options: Partial<ScanOptions> = {},
  hooks: ScanHooks & { onKey?(fact: KeyFact): void; into?: Omit<Scanned, 'end'> } = {},
): Promise<Scanned> {
  const facts = hooks.into?.facts ?? new Map<string, KeyFact>();
  const repeated = hooks.into?.repeated ?? new Map<string, number>();
  const sink = {
    add(fact: KeyFact) {
      const name = `${fact.db}/${fact.key}`;
      if (facts.has(name)) repeated.set(name, (repeated.get(name) ?? 1) + 1);
      facts.set(name, { ...fact });
      hooks.onKey?.(fact);
    },
  };
  const end = await scanServer(
    typeof access === 'number' ? at(access) : access,
    // How slow a busy machine is must not decide how long a test takes.
    {
      databases: 'all',
      ask: ALL,
      timeout: 10_000,
      ...options,
      pace: { maxLatencyMs: null, ...options.pace },
    },
    sink,
    hooks,
  );
  return { end, facts, repeated };
}

export const names = ({ facts }: Pick<Scanned, 'facts'>) => [...facts.keys()].sort();

/** What adds up to the totals of a report. */
export function totals({ facts }: Pick<Scanned, 'facts'>) {
  let bytes = 0;
  let noTtl = 0;
  for (const fact of facts.values()) {
    bytes += fact.bytes;
    if (fact.ttl_ms === null) noTtl += 1;
  }
  return { keys: facts.size, bytes, noTtl };
}

/** 20,000 keys in database 0 and 9,000 in database 2. */
export async function twoDatabases() {
  const redis = await redisForTest();
  const channel = await connected(redis.port);
  await sendAll(channel, [...strings(20_000), ['SELECT', 2], ...strings(9_000, 'second:')]);
  return { redis, channel };
}
