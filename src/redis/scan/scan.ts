import { type Channel, openChannel } from '../channel.js';
import type { KeySink } from '../key-fact.js';
import type { Access } from '../target.js';
import { Session } from './session.js';
import type { ScanEnd, ScanHooks, ScanOptions } from './types.js';

/**
 * Hands every key of one server (all its databases, or some) to the sink: once each, as long as it was there
 * all the time; see Walk. One fact object is used for all. Reads only: no KEYS, no script. SCAN makes a
 * primary delete keys that have expired already, as any access to them would.
 *
 * Ends early, with what it has and where to go on, when it is aborted, the connection breaks, or the server
 * loads, changes its role or begins to evict. Throws when there is no scan at all: StageError (no connection),
 * ReplyError (SCAN refused), StalePositionError, CacheOpsError (no such sample); and what the sink throws.
 */
export async function scanServer(
  access: Access,
  options: ScanOptions,
  sink: KeySink,
  hooks: ScanHooks = {},
): Promise<ScanEnd> {
  const { signal } = hooks;
  const limits = {
    timeout: options.timeout,
    withoutPing: true,
    ...(signal && { signal }),
  };
  const { db = 0, ...anyDatabase } = access;
  const channels: Channel[] = [];
  try {
    for (let index = 0; index < 2; index += 1)
      channels.push(await openChannel(anyDatabase, limits));
    const [control, data] = channels as [Channel, Channel];
    for (const channel of channels) {
      channel.speakBytes();
      // A replica in a cluster sends readers away without it; elsewhere it is refused, and not needed.
      if (options.cluster) await channel.send('READONLY');
    }
    return await new Session(control, data, options, sink, hooks).run(db);
  } finally {
    for (const channel of channels) channel.close();
  }
}
