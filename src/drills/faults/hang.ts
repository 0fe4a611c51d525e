import { demand, openChannel } from '../../redis/channel.js';
import { isAlive, signalTo } from '../../state/identity.js';
import type { Breaker } from './breaker.js';
import type { WayOf } from './fault.js';
import { answering, signsIn, waitFor } from './liveness.js';

/** SIGSTOP: connections stay open, and nothing is answered. */
export const freezeBreaker: Breaker<WayOf<'freeze'>> = {
  async inject(_, way, { host }) {
    if (!signalTo(host, way, 'SIGSTOP')) throw new Error(`process ${way.pid} was gone already`);
    return undefined;
  },
  async restore(fault, way, { host }) {
    signalTo(host, way, 'SIGCONT');
    const why = () => (isAlive(way) ? '' : `: process ${way.pid} has ended`);
    await answering(fault, { limit: 30_000, why });
  },
  words: ({ pid }) => ({ breaks: `SIGSTOP to process ${pid}`, mends: `kill -CONT ${pid}` }),
};

/**
 * CLIENT PAUSE ends by itself, whoever is dead by then. It cannot be ended sooner: CLIENT UNPAUSE
 * has to wait like every other command, so it is never longer than PAUSE_LIMIT.
 * https://github.com/redis/redis/blob/7.0/src/server.c (processCommand: blockPostponeClient)
 */
export const pauseBreaker: Breaker<WayOf<'pause'>> = {
  async inject(_, { ms }, { access }) {
    const channel = await openChannel(await access(), { timeout: 5_000 });
    try {
      demand(await channel.send('CLIENT', 'PAUSE', ms));
    } finally {
      channel.close();
    }
    return undefined;
  },
  async restore(_, { ms }, { access }) {
    // Without signing in it says NOAUTH at once, pause or not.
    const user = await access();
    const limit = ms + 10_000;
    await waitFor(
      () => signsIn(user, 500),
      limit,
      () => `it does not answer after ${limit / 1_000} s`,
    );
  },
  words: ({ ms }) => ({ breaks: `CLIENT PAUSE ${ms}`, mends: 'nothing: the pause ends by itself' }),
};

/** Milliseconds. */
export const PAUSE_LIMIT = 10_000;
