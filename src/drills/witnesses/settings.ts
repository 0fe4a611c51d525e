import { createHash } from 'node:crypto';
import { type Limits, openChannel } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';
import { redisOf } from './with-channel.js';
import type { CallWitness, Setting } from './witness.js';

/** Holds every setting and every user of Redis against what they were before the drill. */
export const callSettings: CallWitness = async (stand, limits) => {
  const access = redisOf(stand);
  const before = await readSettings(access, limits);
  return {
    async check(now) {
      if (before.size === 0)
        return { problems: [], says: 'its settings could not be compared: CONFIG GET is refused' };
      const settings = pairs(before, await readSettings(access, now));
      return {
        problems: settings
          .filter((one) => one.before !== one.after)
          .map(
            ({ name, before, after }) =>
              `${name} was ${before ?? 'not set'}, and is ${after ?? 'not set'} after the drill${STARTED_BY.has(name) ? ': `control` starts it another way than it had been started' : ''}`,
          ),
        says: `its ${before.size} settings and users are as before`,
        facts: { settings_compared: before.size },
        settings,
      };
    },
    async remove() {},
  };
};

/**
 * By whom it was started. It cannot be asked for its command line, which it overwrites: a start
 * command that is not that of the estate shows here, and a second drill finds no difference.
 */
const STARTED_BY = new Set(['daemonize', 'supervised']);

/** Settings by name, users by `user NAME`; what may not be read is left out. */
async function readSettings(access: Access, limits: Limits): Promise<Map<string, string>> {
  const channel = await openChannel(access, limits);
  try {
    const [config, users] = await channel.pipeline([
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
    ]);
    const settings = new Map<string, string>();
    if (Array.isArray(config)) {
      for (let at = 0; at + 1 < config.length; at += 2) {
        const name = String(config[at]);
        settings.set(name, shown(name, String(config[at + 1])));
      }
    }
    for (const line of Array.isArray(users) ? users : []) {
      const [, name = ''] = String(line).split(' ');
      settings.set(
        `user ${name}`,
        String(line).replace(/#[0-9a-f]{64}/g, (hash) => digest(hash)),
      );
    }
    return settings;
  } finally {
    channel.close();
  }
}

function pairs(before: Map<string, string>, after: Map<string, string>): Setting[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().map((name) => ({
    name,
    before: before.get(name) ?? null,
    after: after.get(name) ?? null,
  }));
}

function shown(name: string, value: string): string {
  return value !== '' && /pass|auth$/.test(name) ? digest(value) : value || '""';
}

/** Of this run only: a digest alone would let a weak password be guessed. */
const salt = crypto.randomUUID();
function digest(secret: string): string {
  return `(secret ${createHash('sha256')
    .update(salt + secret)
    .digest('hex')
    .slice(0, 6)})`;
}
