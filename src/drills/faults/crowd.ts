import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, demand, openChannel } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import type { Access } from '../../redis/target.js';
import type { Breaker, Live } from './breaker.js';
import type { WayOf } from './fault.js';
import { signsIn, waitFor } from './liveness.js';

const TIMEOUT = 5_000;
/** Connections that are opened at once. */
const AT_ONCE = 20;
/** Milliseconds between two looks at who is there. */
const PERIOD = 250;

/**
 * Every place that maxclients allows is taken by a connection of ours, and those of applications are
 * cut: they come back and are refused. A lower maxclients alone closes none of them, and one of 1
 * locks out whoever is to put it back. Here the places are free as soon as our connections end, which
 * they do with their process: enough for all who were there and for `drill restore`, whoever is killed.
 * Where the machine of the drill loses its power, Redis finds that out by tcp-keepalive, 300 s unless set.
 */
export const crowdBreaker: Breaker<WayOf<'crowd'>> = {
  async inject(_, way, { access }) {
    const crowd = new Crowd(await access(), way);
    try {
      await crowd.gather();
      return crowd.stay();
    } catch (error) {
      crowd.leave();
      throw error;
    }
  },
  async restore(_, { before }, { access }) {
    const user = await access();
    // It takes Redis a moment to see that connections have ended.
    const late = () => 'it lets nobody in after 10 s';
    await waitFor(() => signsIn(user, 500), 10_000, late);
    const channel = await openChannel(user, { timeout: TIMEOUT });
    try {
      demand(await channel.send('CONFIG', 'SET', 'maxclients', before));
    } finally {
      channel.close();
    }
  },
  words: ({ places, before }) => ({
    breaks: `CONFIG SET maxclients ${places}, and as many connections of the drill's own; CLIENT KILL of all others`,
    mends: `redis-cli CONFIG SET maxclients ${before}`,
  }),
};

class Crowd {
  readonly #members = new Map<number, Channel>();

  constructor(
    private readonly user: Access,
    private readonly way: WayOf<'crowd'>,
  ) {}

  /** All are in before the limit is lowered and the others are cut: nobody can slip in between. */
  async gather(): Promise<void> {
    const { places } = this.way;
    while (this.#members.size < places)
      await this.#join(Math.min(AT_ONCE, places - this.#members.size));
    demand(await this.#one.send('CONFIG', 'SET', 'maxclients', places));
    await this.#cutOthers();
  }

  async #gatherAgain(): Promise<void> {
    if (this.#members.size > 0) await this.#cutOthers();
    await this.#join(this.way.places - this.#members.size);
  }

  /** Stays until it is ended. A place that is lost, to CLIENT KILL or Redis's own time-out, is taken again. */
  stay(): Live {
    let ended = false;
    const loop = (async () => {
      while (!ended) {
        await sleep(PERIOD);
        const alive = async ([id, member]: [number, Channel]) => {
          const reply = await member.send('PING').catch(() => undefined);
          if (reply === undefined || reply instanceof ReplyError) this.#members.delete(id);
        };
        await Promise.all([...this.#members].map(alive));
        // A place that somebody was quicker to take is free after the next look.
        if (!ended) await this.#gatherAgain().catch(() => {});
      }
    })();
    return {
      end: async () => {
        ended = true;
        await this.#one?.send('CONFIG', 'SET', 'maxclients', this.way.before).catch(() => {});
        this.leave();
        await loop;
        this.leave();
      },
    };
  }

  leave(): void {
    for (const member of this.#members.values()) member.close();
    this.#members.clear();
  }

  get #one(): Channel {
    return this.#members.values().next().value as Channel;
  }

  async #join(count: number): Promise<void> {
    const joining = Array.from({ length: count }, async () => {
      const member = await openChannel(this.user, { timeout: TIMEOUT });
      try {
        this.#members.set(Number(demand(await member.send('CLIENT', 'ID'))), member);
      } catch (error) {
        member.close();
        throw error;
      }
    });
    const failed = (await Promise.allSettled(joining)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  /** Replicas are left alone. */
  async #cutOthers(): Promise<void> {
    const lists = await this.#one.pipeline([
      ['CLIENT', 'LIST', 'TYPE', 'normal'],
      ['CLIENT', 'LIST', 'TYPE', 'pubsub'],
    ]);
    const others = lists
      .flatMap((list) => [...String(demand(list)).matchAll(/^id=(\d+)/gm)])
      .map(([, id]) => Number(id))
      .filter((id) => !this.#members.has(id));
    const replies = await this.#one.pipeline(others.map((id) => ['CLIENT', 'KILL', 'ID', id]));
    for (const reply of replies) demand(reply);
  }
}
