import { type Channel, demand, openChannel } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';
import type { Breaker } from './breaker.js';
import type { WayOf } from './fault.js';
import { signsIn } from './liveness.js';

const TIMEOUT = 5_000;

/**
 * The user is switched off, so its password is refused, and its connections are cut: those that are
 * open would go on. A second user with the same password is the way back, so no secret is stored.
 */
export const aclBreaker: Breaker<WayOf<'acl'>> = {
  async inject(_, { user, rescue }, { access }) {
    const own = await access();
    const channel = await openChannel(own, { timeout: TIMEOUT });
    try {
      const { flags, passwords } = await readUser(channel, user);
      const secrets = flags.includes('nopass') ? ['nopass'] : passwords.map((hash) => `#${hash}`);
      demand(
        await channel.send(
          'ACL',
          'SETUSER',
          rescue,
          'reset',
          'on',
          ...secrets,
          '+acl',
          '+client',
          '+ping',
          '+select',
        ),
      );
      if (!(await signsIn({ ...own, username: rescue }, TIMEOUT)))
        throw new Error(`the user ${rescue} cannot sign in: there would be no way back`);
      demand(await channel.send('ACL', 'SETUSER', user, 'off'));
      for (const type of ['normal', 'pubsub'])
        demand(await channel.send('CLIENT', 'KILL', 'USER', user, 'TYPE', type, 'SKIPME', 'yes'));
    } finally {
      channel.close();
    }
    return undefined;
  },
  async restore(_, { user, rescue }, { access }) {
    const own = await access();
    if (!(await signsIn(own, TIMEOUT))) {
      await once({ ...own, username: rescue }, ['ACL', 'SETUSER', user, 'on']);
    }
    await once(own, ['ACL', 'DELUSER', rescue]);
  },
  words: ({ user, rescue }) => ({
    breaks: `ACL SETUSER ${user} off; CLIENT KILL USER ${user}`,
    mends: `redis-cli --user ${rescue} ACL SETUSER ${user} on`,
  }),
};

/** ACL GETUSER, as a map of its flat list. */
export async function readUser(
  channel: Channel,
  user: string,
): Promise<{ flags: string[]; passwords: string[] }> {
  const reply = demand(await channel.send('ACL', 'GETUSER', user));
  if (!Array.isArray(reply)) throw new Error(`there is no user ${user}`);
  const list = (name: string) => {
    const value = reply[reply.indexOf(name) + 1];
    return Array.isArray(value) ? value.map(String) : [];
  };
  return { flags: list('flags'), passwords: list('passwords') };
}

async function once(access: Access, command: string[]): Promise<void> {
  const channel = await openChannel(access, { timeout: TIMEOUT });
  try {
    demand(await channel.send(...command));
  } finally {
    channel.close();
  }
}
