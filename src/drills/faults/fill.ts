import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, demand, openChannel } from '../../redis/channel.js';
import { numberIn, parseInfo } from '../../redis/info.js';
import type { Breaker, Live } from './breaker.js';
import type { WayOf } from './fault.js';

const TIMEOUT = 5_000;
/** Bytes that a key has beside its value. */
const OVERHEAD = 150;
/** Milliseconds between two batches. */
const PAUSE = 50;
/** Keys a second. */
const RATE = 5_000;

/**
 * Fills Redis to its limit with marked keys that are the first to be evicted: volatile-ttl takes
 * what ends soonest of 64 samples, and as long as there are enough of ours some are in every sample.
 * With allkeys-lru half of an application's 6,000 keys were lost, and with few of ours one or two.
 * The limit is lowered for the time, so that gigabytes need not be written.
 */
export const fillBreaker: Breaker<WayOf<'fill'>> = {
  async inject(_, way, { access }) {
    const channel = await openChannel(await access(), { timeout: TIMEOUT });
    try {
      const filler = await Filler.start(channel, way);
      await filler.fill();
      return filler.goOn();
    } catch (error) {
      channel.close();
      throw error;
    }
  },
  async restore(_, { prefix, before }, { access }) {
    const channel = await openChannel(await access(), { timeout: TIMEOUT });
    try {
      for (const [name, value] of Object.entries(before))
        demand(await channel.send('CONFIG', 'SET', name, value));
      await removeKeys(channel, prefix);
    } finally {
      channel.close();
    }
  },
  words: ({ before, room }) => ({
    breaks: `CONFIG SET maxmemory (used + ${room} bytes) maxmemory-policy volatile-ttl maxmemory-samples 64; marked keys are written`,
    mends: Object.entries(before)
      .map(([name, value]) => `redis-cli CONFIG SET ${name} ${value}`)
      .join('; '),
  }),
};

class Filler {
  #written = 0;
  /** All of them are replaced, by eviction, within half of their time to live. */
  readonly #rate: number;
  readonly #ttl: number;

  private constructor(
    private readonly channel: Channel,
    private readonly way: WayOf<'fill'>,
    private readonly value: string,
    private readonly evictedBefore: number,
  ) {
    this.#rate = Math.min(RATE, Math.ceil(way.pieces / 2.5));
    this.#ttl = Math.ceil((2 * way.pieces) / this.#rate);
  }

  static async start(channel: Channel, way: WayOf<'fill'>): Promise<Filler> {
    const info = await readInfo(channel);
    const lowered = Math.min(Number(way.before.maxmemory), info.counted + way.room);
    for (const [name, value] of [
      ['maxmemory-samples', 64],
      ['maxmemory-policy', 'volatile-ttl'],
      ['maxmemory', lowered],
    ] as const)
      demand(await channel.send('CONFIG', 'SET', name, value));
    const size = Math.max(64, Math.floor((lowered - info.counted) / way.pieces) - OVERHEAD);
    return new Filler(channel, way, 'x'.repeat(size), info.evicted);
  }

  /** Writes until something is evicted. */
  async fill(): Promise<void> {
    while ((await this.#evicted()) === 0) {
      if (this.#written > this.way.pieces * 4)
        throw new Error('nothing is evicted, however much is written');
      await this.#write(Math.max(8, Math.ceil(this.way.pieces / 64)));
    }
  }

  /** Keeps it full. Should an application grow so fast that its own keys are next, the limit goes back up. */
  goOn(): Live {
    let ended = false;
    const loop = (async () => {
      while (!ended) {
        await this.#write(Math.ceil((this.#rate * PAUSE) / 1_000));
        if (this.#written - (await this.#evicted()) < this.way.pieces / 4) {
          demand(await this.channel.send('CONFIG', 'SET', 'maxmemory', this.way.before.maxmemory));
          break;
        }
        await sleep(PAUSE);
      }
    })().catch(() => {});
    return {
      end: async () => {
        ended = true;
        await loop;
        this.channel.close();
      },
    };
  }

  async #write(count: number): Promise<void> {
    const commands = Array.from({ length: count }, () => {
      this.#written += 1;
      return ['SET', `${this.way.prefix}:${this.#written}`, this.value, 'EX', this.#ttl];
    });
    for (const reply of await this.channel.pipeline(commands)) demand(reply);
  }

  async #evicted(): Promise<number> {
    return (await readInfo(this.channel)).evicted - this.evictedBefore;
  }
}

async function readInfo(channel: Channel): Promise<{ counted: number; evicted: number }> {
  const [memory, stats] = await channel.pipeline([
    ['INFO', 'memory'],
    ['INFO', 'stats'],
  ]);
  const info = { ...parseInfo(String(memory)), ...parseInfo(String(stats)) };
  const used = numberIn(info, 'used_memory') ?? 0;
  return {
    counted: used - (numberIn(info, 'mem_not_counted_for_evict') ?? 0),
    evicted: numberIn(info, 'evicted_keys') ?? 0,
  };
}

async function removeKeys(channel: Channel, prefix: string): Promise<void> {
  let cursor = '0';
  do {
    const reply = demand(
      await channel.send('SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1_000),
    );
    const [next, keys] = Array.isArray(reply) ? reply : ['0', []];
    cursor = String(next);
    if (Array.isArray(keys) && keys.length > 0)
      demand(await channel.send('UNLINK', ...keys.map(String)));
  } while (cursor !== '0');
}
