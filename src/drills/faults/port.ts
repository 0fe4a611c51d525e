import { type Channel, demand, openChannel } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';
import type { Actor, Breaker } from './breaker.js';
import type { Fault, Move, WayOf } from './fault.js';
import { answering, signsIn } from './liveness.js';

const TIMEOUT = 5_000;

/**
 * Redis listens on another port: real refusals on its own one, and the data stays where it is. The
 * other port is the way back for whoever knows the journal, also when everything here is dead.
 */
export const portBreaker: Breaker<WayOf<'port'>> = {
  async inject(fault, { move }, actor) {
    const channel = await moveAway(fault, move, actor);
    await killClients(channel);
    return keptBy(channel);
  },
  restore: (fault, { move }, actor) => moveBack(fault, move, actor),
  words: ({ move }) => ({
    breaks: `CONFIG SET ${move.setting} ${move.rescue}; CLIENT KILL`,
    mends: backByHand(move),
  }),
};

export function backByHand({ setting, port, rescue }: Move): string {
  return `redis-cli -p ${rescue} CONFIG SET ${setting} ${port}`;
}

/** Moves Redis to its other port. The connection that did it stays open: it needs no port. */
export async function moveAway(
  { endpoint }: Fault,
  { setting, port, rescue }: Move,
  { access }: Actor,
): Promise<Channel> {
  const user = await access();
  const channel = await openChannel(user, { timeout: TIMEOUT });
  try {
    demand(await channel.send('CONFIG', 'SET', setting, rescue));
    if (await signsIn(elsewhere(user, rescue), 2_000)) return channel;
    demand(await channel.send('CONFIG', 'SET', setting, port));
    throw new Error(
      `port ${rescue} of ${endpoint && 'host' in endpoint ? endpoint.host : ''} cannot be reached from here (a firewall, a port map?): there would be no way back`,
    );
  } catch (error) {
    channel.close();
    throw error;
  }
}

export async function moveBack(
  fault: Fault,
  { setting, port, rescue }: Move,
  { access }: Actor,
): Promise<void> {
  const user = await access();
  const away = elsewhere(user, rescue);
  if (await signsIn(away, 2_000)) {
    const channel = await openChannel(away, { timeout: TIMEOUT });
    try {
      demand(await channel.send('CONFIG', 'SET', setting, port));
    } finally {
      channel.close();
    }
  }
  await answering(fault, { limit: 10_000, why: () => `, nor on port ${rescue}` });
}

/** Every client but this one; replicas are left alone. */
export async function killClients(channel: Channel): Promise<void> {
  const replies = await channel.pipeline(
    ['normal', 'pubsub'].map((type) => ['CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes']),
  );
  for (const reply of replies) demand(reply);
}

function keptBy(channel: Channel) {
  return { end: async () => channel.close() };
}

function elsewhere(access: Access, port: number): Access {
  const { endpoint } = access;
  if (!('host' in endpoint)) throw new Error('a unix socket has no port');
  return { ...access, endpoint: { ...endpoint, port } };
}
