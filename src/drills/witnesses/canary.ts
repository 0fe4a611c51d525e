import { deleteKey, readKey, writeKey } from '../../applications/client.js';
import { CacheOpsError, messageOf } from '../../errors.js';
import type { Limits } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import type { Access } from '../../redis/target.js';
import { withChannel } from './with-channel.js';
import type { CallWitness } from './witness.js';

const TTL = 3_600;

/** Values written before the drill that must be there after it: one through each application, one straight into Redis. */
export const releaseCanary: CallWitness = async ({ access, applications, prefix }, limits) => {
  const key = `${prefix}:canary`;
  const value = `canary ${key}`;
  const direct = access && (await writeDirectly(access, key, value, limits));
  const through = key.replaceAll(':', '-');
  for (const application of applications) {
    const written = await writeKey(application, through, value, limits);
    if (!written.ok)
      throw new CacheOpsError(
        'refused',
        `${application.name} cannot write before the drill: ${written.error}`,
        'nothing was broken',
      );
    const read = await readKey(application, through, value, limits);
    if (!read.ok)
      throw new CacheOpsError(
        'refused',
        `${application.name} cannot read before the drill: ${read.error}`,
        'nothing was broken',
      );
  }
  return {
    async check(now) {
      const reasons: string[] = [];
      if (access && direct && !(await readDirectly(access, key, value, now)))
        reasons.push('the canary written to Redis before the drill is gone');
      for (const application of applications) {
        const answer = await readKey(application, through, value, now);
        if (!answer.ok)
          reasons.push(
            `${application.name}: the canary written before the drill cannot be read: ${answer.error}`,
          );
      }
      return { problems: reasons, says: 'the canary is intact' };
    },
    async remove(now) {
      await Promise.allSettled([
        ...(access && direct
          ? [withChannel(access, now, (channel) => channel.send('DEL', key))]
          : []),
        ...applications.map((application) => deleteKey(application, through, now)),
      ]);
    },
  };
};

/** False when this user may not write; the applications' canaries must do then. */
async function writeDirectly(
  access: Access,
  key: string,
  value: string,
  limits: Limits,
): Promise<boolean> {
  const reply = await withChannel(access, limits, (channel) =>
    channel.send('SET', key, value, 'EX', TTL),
  );
  if (!(reply instanceof ReplyError)) return true;
  if (reply.code === 'NOPERM') return false;
  throw new CacheOpsError(
    'refused',
    `Redis takes no writes before the drill: ${reply.message}`,
    'nothing was broken',
  );
}

async function readDirectly(
  access: Access,
  key: string,
  value: string,
  limits: Limits,
): Promise<boolean> {
  try {
    const reply = await withChannel(access, limits, (channel) => channel.send('GET', key));
    return reply === value || (reply instanceof ReplyError && reply.code === 'NOPERM');
  } catch (error) {
    throw new CacheOpsError('connect', `cannot read the canary: ${messageOf(error)}`);
  }
}
