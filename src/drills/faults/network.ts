import { demand, openChannel } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import { TcpProxy } from '../proxy/tcp.js';
import type { Breaker, Live } from './breaker.js';
import type { WayOf } from './fault.js';
import { signsIn, waitFor } from './liveness.js';
import { backByHand, killClients, moveAway, moveBack } from './port.js';

/** Redis moves to another port, and a proxy takes its place: nothing else has to be told. */
export const proxyBreaker: Breaker<WayOf<'proxy'>> = {
  async inject(fault, { move, hosts, toxic }, actor) {
    const channel = await moveAway(fault, move, actor);
    try {
      const host = fault.endpoint && 'host' in fault.endpoint ? fault.endpoint.host : '127.0.0.1';
      const proxy = await TcpProxy.start(hosts, move.port, { host, port: move.rescue }, toxic);
      // Those that are connected come back through the proxy.
      await killClients(channel);
      return {
        async end() {
          channel.close();
          await proxy.close();
        },
      };
    } catch (error) {
      channel.close();
      throw error;
    }
  },
  restore: (fault, { move }, actor) => moveBack(fault, move, actor),
  words: ({ move, toxic }) => ({
    breaks: `CONFIG SET ${move.setting} ${move.rescue}, and in its place a proxy: ${toxicInWords(toxic)}`,
    mends: backByHand(move),
  }),
};

export function toxicInWords({ delay, jitter, reset, blackhole }: WayOf<'proxy'>['toxic']): string {
  if (reset) return 'every connection is reset';
  if (blackhole) return 'nothing is answered';
  return `replies ${delay} ms late${jitter ? ` +- ${jitter} ms` : ''}`;
}

/** Where no proxy can be put: one CLIENT PAUSE after the other, so a command waits up to `ms`. */
export const stutterBreaker: Breaker<WayOf<'stutter'>> = {
  inject: (_, { ms }, actor) => repeat(['CLIENT', 'PAUSE', ms], 0, ms + 5_000, actor.access),
  restore: (_, { ms }, { access }) => back(access, ms + 10_000),
  words: ({ ms }) => ({
    breaks: `CLIENT PAUSE ${ms}, again and again`,
    mends: 'nothing: the last pause ends by itself',
  }),
};

/** Where no proxy can be put: every client is cut, again and again. */
export const severBreaker: Breaker<WayOf<'sever'>> = {
  inject: (_, { every }, actor) =>
    repeat(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'], every, 5_000, actor.access),
  restore: (_, __, { access }) => back(access, 10_000),
  words: ({ every }) => ({
    breaks: `CLIENT KILL TYPE normal, every ${every} ms`,
    mends: 'nothing: it ends with the drill',
  }),
};

async function repeat(
  command: (string | number)[],
  every: number,
  timeout: number,
  access: Parameters<typeof back>[0],
): Promise<Live> {
  const channel = await openChannel(await access(), { timeout });
  let ended = false;
  demand(await channel.send(...command));
  const loop = (async () => {
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, every));
      if (ended || (await channel.send(...command)) instanceof ReplyError) break;
    }
  })().catch(() => {});
  return {
    async end() {
      ended = true;
      channel.close();
      await loop;
    },
  };
}

async function back(
  access: () => Promise<Parameters<typeof signsIn>[0]>,
  limit: number,
): Promise<void> {
  const user = await access();
  const why = () => `it does not answer after ${limit / 1_000} s`;
  await waitFor(() => signsIn(user, 500), limit, why);
}
