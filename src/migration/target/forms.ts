import { isSameContent, typeOfDump } from '../../redis/rdb/dump.js';
import { differences } from '../verify/differences.js';

/** How entries are written to a target, looked at there, and taken back. */
export interface Form {
  /** A command up to the length of its key. */
  head: string;
  /** Between the key and the length of the value, and behind the value. `expires` as in `Chunk`. */
  between(expires: number): string;
  tail(expires: number): string;
  /** Bytes behind the value. */
  after: number;
  /** The question for what a key holds. */
  look: 'GET' | 'DUMP';
  /**
   * Overwrites what was looked at, if it is still that. The whole of it is compared in the same step as it
   * is replaced: whatever a live writer stores in between stays. KEYS: the key. ARGV: what was looked at,
   * what is written, when that is to expire.
   */
  replace: string;
  /** For a script: puts back ARGV[3], which expires at ARGV[4] (empty: never). */
  restore: string;
  /** Is a value that was read the planned one? Both may be the same in other bytes. */
  isSame(planned: Buffer, found: Buffer): boolean;
  differences(planned: Buffer, found: Buffer): string;
}

/** Tasks and sessions: text, created by `SET key value NX PXAT ms`. */
export const TEXT: Form = {
  head: '*6\r\n$3\r\nSET\r\n$',
  between: () => '',
  tail: (expires) => `\r\n$2\r\nNX\r\n$4\r\nPXAT\r\n$13\r\n${expires}\r\n`,
  after: 40,
  look: 'GET',
  replace: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1`,
  restore: `
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4]) end`,
  isSame: () => false,
  differences,
};

/** Keys of any type: what DUMP gave, created by `RESTORE key ms payload ABSTTL`, which leaves a key that is there. */
export const DUMPED: Form = {
  head: '*5\r\n$7\r\nRESTORE\r\n$',
  between(expires) {
    const ms = expires < 0 ? '0' : String(expires);
    return `$${ms.length}\r\n${ms}\r\n`;
  },
  tail: () => '\r\n$6\r\nABSTTL\r\n',
  after: 14,
  look: 'DUMP',
  replace: `
if redis.call('DUMP', KEYS[1]) ~= ARGV[1] then return 0 end
local expires = tonumber(ARGV[3]) < 0 and '0' or ARGV[3]
redis.call('RESTORE', KEYS[1], expires, ARGV[2], 'REPLACE', 'ABSTTL')
return 1`,
  restore: `
redis.call('RESTORE', KEYS[1], ARGV[4] == '' and '0' or ARGV[4], ARGV[3], 'REPLACE', 'ABSTTL')`,
  isSame: isSameContent,
  differences(planned, found) {
    const [one, two] = [typeOfDump(planned), typeOfDump(found)];
    return one === two
      ? `another ${one ?? 'content'}`
      : `type: ${one ?? 'unknown'} > ${two ?? 'unknown'}`;
  },
};

/** The form of a file of commands, by its first bytes. */
export function formOf(start: Buffer): Form {
  return start.toString('latin1', 0, 2) === DUMPED.head.slice(0, 2) ? DUMPED : TEXT;
}
