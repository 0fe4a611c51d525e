import { messageOf } from '../../errors.js';
import { askProxy, byProxy, holdProxy } from '../proxy/control.js';
import type { Breaker } from './breaker.js';
import type { WayOf } from './fault.js';
import { signsIn, waitFor } from './liveness.js';
import { toxicInWords } from './network.js';

const TIMEOUT = 5_000;
/** Time for a supervisor to start a proxy again. */
const LIMIT = 10_000;

/** By a proxy that applications go through for good. It passes all on again when this process ends. */
export const toxicBreaker: Breaker<WayOf<'toxic'>> = {
  async inject(_, { socket, toxic }) {
    const { leave } = await holdProxy(socket, { type: 'break', toxic });
    return { end: async () => leave() };
  },
  async restore({ target }, { socket, listen }, { access }) {
    const user = byProxy(await access(), listen);
    let problem = '';
    const passes = async () => {
      try {
        await askProxy(socket, { type: 'pass' });
        problem = 'Redis does not answer through it';
        return await signsIn(user, TIMEOUT);
      } catch (error) {
        problem = messageOf(error);
        return false;
      }
    };
    await waitFor(
      passes,
      LIMIT,
      () =>
        `the proxy at ${listen.host}:${listen.port} is gone (${problem}): applications do not reach Redis. Start it again: cache-ops drill proxy ${target}`,
    );
  },
  words: ({ socket, listen, toxic }) => ({
    breaks: `by the proxy at ${listen.host}:${listen.port} (${socket}): ${toxicInWords(toxic)}`,
    mends: 'nothing: it ends with the drill. Or start the proxy again: cache-ops drill proxy',
  }),
};
