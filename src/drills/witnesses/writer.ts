import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, demand, type Limits, openChannel } from '../../redis/channel.js';
import { type Access, label } from '../../redis/target.js';
import type { CallWitness } from './witness.js';

/** Milliseconds between two writes, and for each answer: who writes must notice by its own time-out. */
const PERIOD = 10;
const PATIENCE = 500;
const TTL = 3_600;
const STEP = 500;

/**
 * Writes numbered keys all the time to whoever is master, as an application would, and looks for
 * each that was acknowledged when all is over.
 */
export const callWriter: CallWitness = async ({ prefix, master }, limits) => {
  if (!master) throw new Error('who is master cannot be asked');
  const { find, keyOf } = master;
  const first = await find(limits);
  const key = (n: number) => keyOf(`${prefix}:write:${n}`);
  const acknowledged: { n: number; at: number }[] = [];
  let [count, ended] = [0, false];
  let now = label(first.endpoint);
  const write = async (channel: Channel) => {
    while (!ended) {
      count += 1;
      demand(await channel.send('SET', key(count), count, 'EX', TTL));
      acknowledged.push({ n: count, at: performance.now() });
      await sleep(PERIOD);
    }
  };
  const loop = (async () => {
    while (!ended) {
      const channel = await find({ timeout: PATIENCE })
        .then((access) => openAs(access, { timeout: PATIENCE }))
        .catch(() => undefined);
      if (!channel) {
        await sleep(PERIOD);
        continue;
      }
      now = channel.address;
      await write(channel.channel).catch(() => {});
      channel.channel.close();
    }
  })();
  const since = performance.now();
  return {
    sees: () => now !== label(first.endpoint) && acknowledged.length > 0,
    async check(patience) {
      ended = true;
      await loop;
      const lost = await missing(
        await find(patience),
        acknowledged.map(({ n }) => key(n)),
        patience,
      );
      const times = [since, ...acknowledged.map(({ at }) => at), performance.now()];
      const gap = Math.round(Math.max(...times.map((at, index) => at - (times[index - 1] ?? at))));
      const taken = now !== label(first.endpoint);
      return {
        problems: taken ? [] : [`no replica took over: ${now} is master still`],
        says: `${now} is master now; ${gap} ms without writes; ${lost} of ${acknowledged.length} acknowledged writes were lost`,
        facts: {
          without_writes_ms: gap,
          writes_acknowledged: acknowledged.length,
          writes_lost: lost,
          master_before: label(first.endpoint),
          master_after: now,
        },
      };
    },
    async remove() {
      ended = true;
      await loop;
      // Its keys end by themselves, within the hour.
    },
  };
};

async function openAs(access: Access, limits: Limits) {
  return { channel: await openChannel(access, limits), address: label(access.endpoint) };
}

async function missing(access: Access, keys: string[], limits: Limits): Promise<number> {
  const channel = await openChannel(access, limits);
  try {
    let lost = 0;
    for (let at = 0; at < keys.length; at += STEP) {
      const part = keys.slice(at, at + STEP);
      const there = await channel.pipeline(part.map((key) => ['EXISTS', key]));
      lost += there.filter((reply) => Number(demand(reply)) === 0).length;
    }
    return lost;
  } finally {
    channel.close();
  }
}
