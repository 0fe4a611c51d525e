import { type Channel, demand } from '../channel.js';
import { ReplyError } from '../resp.js';
import type { ServerState } from './server.js';
import type { Missing } from './types.js';

/** As many as a redis.conf has that does not say. */
const USUAL = 16;

/**
 * The databases to scan: those asked for; else those that hold keys, by INFO or, where that is refused, by
 * DBSIZE of each. A user without SELECT has the one that it is in.
 */
export async function chooseDatabases(
  channel: Channel,
  asked: 'all' | readonly number[],
  { databases }: ServerState,
  { current, cluster, missing }: { current: number; cluster: boolean; missing: Missing[] },
): Promise<number[]> {
  if (asked !== 'all') return [...asked];
  if (cluster) return [0];
  const candidates =
    databases ?? Array.from({ length: await countDatabases(channel) }, (_, db) => db);
  const found: number[] = [];
  for (const db of candidates) {
    if (db !== current || candidates.length > 1) {
      const selected = await channel.send('SELECT', db);
      if (selected instanceof ReplyError) {
        // Beyond the last, or not permitted.
        if (selected.code !== 'NOPERM') break;
        missing.push({
          command: 'SELECT',
          why: 'not permitted',
          instead: `only database ${current} was scanned`,
        });
        return [current];
      }
    }
    // With DBSIZE refused all of them are scanned: it costs a SCAN each.
    if (databases || (await sizeOf(channel)) !== 0) found.push(db);
  }
  return found;
}

async function countDatabases(channel: Channel): Promise<number> {
  const reply = await channel.send('CONFIG', 'GET', 'databases');
  return Array.isArray(reply) && reply.length === 2 ? Number(reply[1]) : USUAL;
}

/** DBSIZE of the selected database; null where it may not be asked. */
export async function sizeOf(channel: Channel): Promise<number | null> {
  const reply = await channel.send('DBSIZE');
  return typeof reply === 'number' ? reply : null;
}

/** Throws ReplyError where there is no such database, or it may not be selected. */
export async function select(channel: Channel, db: number): Promise<void> {
  const reply = await channel.send('SELECT', db);
  // A user without SELECT stays in the first, where every connection begins.
  if (reply instanceof ReplyError && reply.code === 'NOPERM' && db === 0) return;
  demand(reply);
}
