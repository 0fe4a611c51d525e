import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Masters } from '../../keys/masters.js';
import { fromBytes, named, toBytes } from '../../keys/names.js';
import { hasWildcard } from '../../keys/pattern.js';
import { type KeyValue, type Page, pagedBy, readValue, stringBytes } from '../../keys/value.js';
import { emit } from '../../output/emit.js';
import { printable } from '../../output/format.js';
import type { RedisTarget } from '../../redis/target.js';
import { renderValue } from './render-show.js';
import {
  addTarget,
  atTarget,
  keyName,
  place,
  type TargetFlags,
  targetsOf,
  whereOf,
} from './targets.js';

interface Flags extends TargetFlags {
  limit?: string;
  offset?: string;
  cursor?: string;
  full?: boolean;
  raw?: boolean;
  base64?: boolean;
}

/** A page: so many elements, or so many bytes of a string. */
const ELEMENTS = 100;
const BYTES = 4_096;
/** More at once would hold the server. */
const MOST = 10_000;
/** With --full; what is longer is for --raw, which holds no more than a window of it. */
const LONGEST = 64 * 1024 * 1024;

export function registerShow(topic: Command, context: Context): void {
  const command = topic
    .command('show')
    .description('one key: type, encoding, time to live, and its value page by page')
    .argument('<key>', 'its name, no pattern');
  addTarget(command)
    .option(
      '-n, --limit <n>',
      `so many elements (default: ${ELEMENTS}), or bytes of a string (default: ${BYTES})`,
    )
    .option('--offset <n>', 'from this element of a list or sorted set, or byte of a string, on')
    .option('--cursor <cursor>', 'the next page of a hash, set or stream, as the last one said')
    .option('--full', 'a string in full')
    .option('--raw', "a string's bytes as they are, to a pipe or a file")
    .option('--base64', '<key> is base64, as key_base64 of --json has it')
    .addHelpText(
      'after',
      `
Reads only; on Redis 7.2 and later not even the idle time of the key changes. A value is shown safely:
control characters are escaped, and with --json what is not UTF-8 has its base64 beside it. JSON in a
string is laid out on a terminal. On a cluster the master that has the key is found.
A page of a hash or set is as long as the server makes it: a small one comes as a whole. A page has
10,000 elements at most.

In a pipe, one line an element, tab-separated: index, id, field, score, value.
Exit 2 for a key that is not there.

Examples:
  $ cache-ops keys show session:4711
  $ cache-ops keys show asl:pdf:42 --raw > pdf.json
  $ cache-ops keys show scores --offset 100 --limit 50
  $ cache-ops keys show dc:extraction:7 --json | jq '.entries[] | {field, value}'`,
    )
    .action((key: string, flags: Flags) => show(context, key, flags));
}

const entry = z.object({
  index: z.optional(z.number()),
  id: z.optional(z.string()),
  field: z.optional(z.string()),
  field_base64: z.optional(z.string()),
  /** As the server says it: it may be inf. */
  score: z.optional(z.string()),
  value: z.string(),
  value_base64: z.optional(z.string()),
});

const showResult = z.extend(z.extend(place, keyName.shape), {
  address: z.string(),
  key_type: z.string(),
  encoding: z.nullable(z.string()),
  ttl_ms: z.nullable(z.number()),
  /** Memory, an estimate by samples. */
  bytes: z.nullable(z.number()),
  /** Bytes of a string, elements of anything else; null for a type of a module. */
  length: z.nullable(z.number()),
  entries: z.array(entry),
  /** The flag that turns the page; null at the end. */
  next: z.nullable(z.object({ flag: z.enum(['--offset', '--cursor']), value: z.string() })),
});
export type ShowResult = z.infer<typeof showResult>;

async function show(context: Context, name: string, flags: Flags): Promise<void> {
  const key = flags.base64 ? fromBase64(name) : toBytes(name);
  if (flags.raw) demandRaw(context);
  const page = pageFrom(flags);
  const found: { target: RedisTarget; db: number; value: KeyValue }[] = [];
  for (const target of targetsOf(await context.config(), flags)) {
    await atTarget(context, target, whereOf(flags), async (masters) => {
      const value = await readValue(masters, key, page);
      if (value) found.push({ target, db: masters.db, value });
    });
  }
  const [first, ...others] = found;
  if (!first) throw unknown(key, name, flags);
  if (others.length > 0) {
    throw new CacheOpsError(
      'usage',
      `several Redis have this key: ${found.map(({ target }) => target.name).join(', ')}`,
      'say which: --target',
    );
  }
  const { target, db, value } = first;
  demandFits(value, flags);
  if (flags.raw) return writeRaw(context, target, key, flags);
  const result = resultOf({ target: target.name, db }, key, value);
  await emit(context, result, (shown) => renderValue(shown, context.stdout.isTTY));
}

function demandRaw({ stdout, settings }: Context): void {
  if (settings.json) throw new CacheOpsError('usage', '--raw and --json exclude each other');
  if (!stdout.isTTY) return;
  throw new CacheOpsError(
    'usage',
    '--raw writes bytes as they are: not to a terminal',
    'send it to a file or a pipe',
  );
}

function fromBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  // Node reads whatever it can; what does not come back the same was no base64.
  if (bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, ''))
    return bytes.toString('latin1');
  throw new CacheOpsError('usage', `"${text}" is not base64`);
}

function pageFrom({ limit, offset, cursor, full }: Flags): Page {
  const size = limit === undefined ? undefined : parseCount(limit, '--limit');
  if (cursor !== undefined && !/^\d+(-\d+)?$/.test(cursor)) {
    throw new CacheOpsError('usage', `--cursor: "${cursor}" is none`, 'the last page said which');
  }
  return {
    limit: Math.min(size ?? ELEMENTS, MOST),
    bytes: full ? LONGEST : (size ?? BYTES),
    offset: offset === undefined ? 0 : parseCount(offset, '--offset', 0),
    cursor,
  };
}

/** A flag that this type does not have would silently show the first page again. */
function demandFits({ type, length }: KeyValue, { offset, cursor, full, raw }: Flags): void {
  const flag = pagedBy(type);
  if (length !== null && flag === 'cursor' && offset !== undefined) {
    throw new CacheOpsError('usage', `a ${type} has no --offset`, 'turn its pages with --cursor');
  }
  if (length !== null && flag === 'offset' && cursor !== undefined) {
    throw new CacheOpsError('usage', `a ${type} has no --cursor`, 'turn its pages with --offset');
  }
  if (raw && type !== 'string') {
    throw new CacheOpsError('usage', `--raw is for strings, this is a ${type}`);
  }
  if (full && type !== 'string') {
    throw new CacheOpsError('usage', `--full is for strings, this is a ${type}`, 'use --limit');
  }
  if (full && (length ?? 0) > LONGEST) {
    throw new CacheOpsError('usage', 'the value is too long to be shown in full', 'use --raw');
  }
}

async function writeRaw(
  context: Context,
  target: RedisTarget,
  key: string,
  flags: Flags,
): Promise<void> {
  const { stdout, signal } = context;
  const from = flags.offset === undefined ? 0 : parseCount(flags.offset, '--offset', 0);
  await atTarget(context, target, whereOf(flags), async (masters) => {
    for await (const piece of stringBytes(masters, key, from)) {
      signal.throwIfAborted();
      stdout.write(piece, 'latin1');
      await stdout.drained?.();
    }
  });
}

function unknown(key: string, name: string, { target }: Flags): CacheOpsError {
  const { text } = fromBytes(key);
  const shown = text.length > 100 ? `${text.slice(0, 100)}...` : text;
  const where = target === undefined ? '' : ` in ${target}`;
  const hint = hasWildcard(name)
    ? `a pattern is for: cache-ops keys ls '${name}'`
    : `those that begin so: cache-ops keys ls '${shown}*'`;
  return new CacheOpsError('not_found', `there is no key "${printable(shown)}"${where}`, hint);
}

function resultOf(
  { target, db }: Pick<Masters, 'target' | 'db'>,
  key: string,
  { type, next, entries, ...value }: KeyValue,
): ShowResult {
  return showResult.parse({
    target,
    db,
    ...named('key', key),
    ...value,
    key_type: type,
    entries: entries.map(({ field, value: content, ...rest }) => ({
      ...rest,
      ...(field !== undefined && named('field', field)),
      ...named('value', content),
    })),
    next:
      next &&
      ('offset' in next
        ? { flag: '--offset', value: String(next.offset) }
        : { flag: '--cursor', value: next.cursor }),
  });
}
