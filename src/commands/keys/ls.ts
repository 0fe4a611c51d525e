import { type Command, Option } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import type { Masters } from '../../keys/masters.js';
import { named } from '../../keys/names.js';
import { type Batch, walkKeys } from '../../keys/walk.js';
import { emit, emitLine } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { VALUE_TYPES } from '../../redis/key-fact.js';
import { countText } from '../../words.js';
import { addPace, type PaceFlags } from '../pace.js';
import { renderKeys, renderLsSummary } from './render-ls.js';
import {
  addTarget,
  atTarget,
  keyName,
  place,
  type TargetFlags,
  targetsOf,
  wantedBy,
  whereOf,
} from './targets.js';

interface Flags extends TargetFlags, PaceFlags {
  type?: string;
  limit?: string;
  size?: boolean;
}

/** So many keys are a page that a person reads. */
const PAGE = 100;

export function registerLs(topic: Command, context: Context): void {
  const command = topic
    .command('ls')
    .description('keys that match a pattern, with type and time to live')
    .argument('<pattern>', "a glob such as 'asl:llm:*', in quotes");
  addPace(addTarget(command))
    .addOption(typeOption())
    .option('--size', 'with the memory that each takes (MEMORY USAGE, an estimate by samples)')
    .option('-n, --limit <n>', `at most so many; 0: all (default: ${PAGE} on a terminal, else all)`)
    .addHelpText(
      'after',
      `
Reads only. Keys are streamed as SCAN finds them, in no order; memory does not grow. A key that is
there all the time is found, and once, unless slots of a cluster move, which it says.
A pattern without a wildcard means the one key of that name.

In a pipe, one line a key, tab-separated: key, type, milliseconds to live (empty: it never expires),
bytes, target, db. --json writes one line a key ("type": "item") and a summary; the type of the
key is "key_type", and "key_base64" is there when its name is not UTF-8.
Exit 4 when keys were hidden by the ACL of this user, or slots of the cluster moved meanwhile.

Examples:
  $ cache-ops keys ls 'asl:llm:*'
  $ cache-ops keys ls 'dc:*' --type hash --size --limit 20
  $ cache-ops keys ls '*' --target main --json | jq -r 'select(.ttl_ms == null).key'`,
    )
    .action(async (pattern: string, flags: Flags) => {
      const everything = context.settings.json || !context.stdout.isTTY ? 0 : PAGE;
      await ls(context, {
        pattern,
        flags,
        limit: flags.limit === undefined ? everything : parseCount(flags.limit, '--limit', 0),
      });
    });
}

export function typeOption(): Option {
  return new Option('--type <type>', 'only keys of this type').choices([
    ...VALUE_TYPES,
    'ReJSON-RL',
  ]);
}

const keyItem = z.extend(z.extend(place, keyName.shape), {
  /** Null where the ACL hides the key. */
  key_type: z.nullable(z.string()),
  readable: z.boolean(),
  /** Null: it never expires, or cannot be read. */
  ttl_ms: z.nullable(z.number()),
  /** Null where it was not asked for, or the server does not say. */
  bytes: z.nullable(z.number()),
});
export type KeyItem = z.infer<typeof keyItem>;

const lsSummary = z.object({
  pattern: z.string(),
  /** It has no wildcard: only the key of exactly this name was looked for. */
  literal: z.boolean(),
  keys: z.number(),
  /** Keys that the servers have gone through; null where they do not say. */
  looked_at: z.nullable(z.number()),
  /** All of them were; false when the limit or an interruption ended it. */
  complete: z.boolean(),
  unreadable: z.number(),
  /** Sizes were asked for, and the server does not tell them to this user. */
  no_sizes: z.boolean(),
  slots_moved: z.boolean(),
});
export type LsSummary = z.infer<typeof lsSummary>;

interface Request {
  pattern: string;
  flags: Flags;
  /** 0 for all. */
  limit: number;
}

/** Writes the keys as they are found, and the summary; sets the exit code. */
export async function ls(context: Context, { pattern, flags, limit }: Request): Promise<void> {
  const targets = targetsOf(await context.config(), flags);
  const wanted = {
    ...wantedBy(pattern),
    facts: true,
    sizes: flags.size === true,
    type: flags.type,
  };
  const summary: LsSummary = {
    pattern,
    literal: wanted.key !== undefined,
    keys: 0,
    looked_at: 0,
    complete: true,
    unreadable: 0,
    no_sizes: false,
    slots_moved: false,
  };
  const out = await writer(context, summary, limit);
  try {
    for (const target of targets) {
      if (!summary.complete) break;
      const found = await atTarget(context, target, whereOf(flags), (masters) =>
        walkKeys(masters, wanted, (batch) => out.take(masters, batch), context.signal),
      );
      summary.complete = found.complete;
      summary.unreadable += found.unreadable;
      summary.no_sizes ||= found.no_sizes;
      summary.slots_moved ||= found.slots_moved;
      summary.looked_at = sum(summary.looked_at, found.looked_at);
    }
  } finally {
    await out.end();
  }
  const result = lsSummary.parse(summary);
  if (context.settings.json) emitLine(context, { type: 'summary', ...result });
  else await emit(context, result, renderLsSummary);
  if (summary.unreadable > 0 || summary.slots_moved) context.exitCode = ExitCode.partial;
}

const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);

/** On a terminal a page is one table, so it is held until it is whole. */
async function writer(context: Context, summary: LsSummary, limit: number) {
  const { settings, stdout } = context;
  const progress = await startProgress(context, 'Looking for keys');
  let held: KeyItem[] = [];
  const flush = async () => {
    if (held.length === 0) return;
    const items = held;
    held = [];
    if (settings.json) for (const item of items) emitLine(context, { type: 'item', ...item });
    else await emit(context, items, (all) => renderKeys(all, stdout.isTTY));
    // A reader that is slower than the server would have all of it wait in memory.
    await stdout.drained?.();
  };
  return {
    async take(masters: Masters, batch: Batch): Promise<boolean> {
      const items = itemsOf(masters, batch);
      const room = limit === 0 ? items.length : limit - summary.keys;
      const some = items.slice(0, room);
      summary.keys += some.length;
      held.push(...some);
      progress.say(`Looking for keys: ${countText(summary.keys)} so far`);
      if (!stdout.isTTY || held.length >= PAGE * 10) {
        progress.stop();
        await flush();
      }
      return limit === 0 || items.length <= room;
    },
    async end(): Promise<void> {
      progress.stop();
      await flush();
    },
  };
}

function itemsOf({ target, db }: Masters, { keys, unreadable }: Batch): KeyItem[] {
  return [
    ...keys.map(({ key, type, ttl_ms, bytes }) => ({
      target,
      db,
      ...named('key', key),
      key_type: type,
      readable: true,
      ttl_ms,
      bytes,
    })),
    ...unreadable.map((key) => ({
      target,
      db,
      ...named('key', key),
      key_type: null,
      readable: false,
      ttl_ms: null,
      bytes: null,
    })),
  ].map((item) => keyItem.parse(item));
}
