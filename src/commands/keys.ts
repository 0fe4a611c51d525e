import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerAudit } from './keys/audit.js';
import { registerLs } from './keys/ls.js';
import { registerRm } from './keys/rm.js';
import { registerShow } from './keys/show.js';
import { registerTtl } from './keys/ttl.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
A pattern is a glob of Redis: * is any text, ? one byte, [abc] and [a-z] one of these bytes; a
backslash before one of them means the character itself. Put it in quotes, or the shell expands it.
Keys are found by SCAN with several cursors, on a cluster on all masters at once; KEYS is never used.
A second connection measures what other clients wait for: the scan slows down by itself. It ends with
5 when a server loads or fails over meanwhile.

Examples:
  $ cache-ops keys ls 'asl:llm:*' --limit 20       with type and TTL
  $ cache-ops keys show session:4711               a value, page by page
  $ cache-ops keys ttl 'asl:*'                     when they expire, as a histogram
  $ cache-ops keys audit                           what breaks the rules of naming and TTL
  $ cache-ops keys rm 'tmp:*' --dry-run            what would be removed`,
  );
  registerLs(command, context);
  registerShow(command, context);
  registerTtl(command, context);
  registerAudit(command, context);
  registerRm(command, context);
}
