import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import type { Masters } from '../../keys/masters.js';
import { named } from '../../keys/names.js';
import { hasWildcard } from '../../keys/pattern.js';
import { ttlHistogram } from '../../keys/ttl.js';
import { walkKeys } from '../../keys/walk.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { count, ms, percent } from '../../output/format.js';
import { startProgress } from '../../output/progress.js';
import { countText } from '../../words.js';
import { addPace, type PaceFlags } from '../pace.js';
import { typeOption } from './ls.js';
import { hidden, moving } from './render-ls.js';
import {
  addTarget,
  atTarget,
  keyCell,
  keyName,
  place,
  type TargetFlags,
  targetsOf,
  wantedBy,
  whereOf,
} from './targets.js';

interface Flags extends TargetFlags, PaceFlags {
  type?: string;
}

export function registerTtl(topic: Command, context: Context): void {
  const command = topic
    .command('ttl')
    .description('how long keys have to live: of each key, or as a histogram of a pattern')
    .argument('<key...>', "keys by their names, or one pattern such as 'asl:*'");
  addPace(addTarget(command))
    .addOption(typeOption())
    .addHelpText(
      'after',
      `
Reads only. To give keys without a TTL the one that their rule wants: keys audit --fix-ttl.
In a pipe, of keys: key, milliseconds to live (empty: it never expires, or is not there), state,
target; of a pattern: up to so many milliseconds (empty: it never expires, or longer), keys, share.
Exit 2 when none of the keys is there; 4 when some are not, or are hidden by the ACL.

Examples:
  $ cache-ops keys ttl session:4711 session:4712
  $ cache-ops keys ttl 'asl:llm:*'`,
    )
    .action(async (keys: string[], flags: Flags) => {
      const [first = ''] = keys;
      const patterns = keys.filter(hasWildcard);
      if (patterns.length === 0) return ttlOfKeys(context, keys, flags);
      if (keys.length === 1) return ttlOfPattern(context, first, flags);
      throw new CacheOpsError(
        'usage',
        'keys or one pattern, not both',
        'put a pattern in quotes; \\* is a star in a name',
      );
    });
}

const STATES = ['expires', 'never expires', 'not there', 'not readable'] as const;

const keysResult = z.object({
  keys: z.array(
    z.extend(keyName, {
      target: z.nullable(z.string()),
      db: z.nullable(z.number()),
      state: z.enum(STATES),
      ttl_ms: z.nullable(z.number()),
      expires_at: z.nullable(z.string()),
    }),
  ),
});
type KeysResult = z.infer<typeof keysResult>;

async function ttlOfKeys(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  const rows: KeysResult['keys'][] = names.map(() => []);
  for (const target of targetsOf(await context.config(), flags)) {
    await atTarget(context, target, whereOf(flags), async (masters) => {
      for (const [index, name] of names.entries()) {
        rows[index]?.push(...(await ttlOfKey(context, masters, name, flags)));
      }
    });
  }
  const keys = rows.flatMap((found, index) => {
    const absent = {
      ...named('key', wantedBy(names[index] ?? '').key ?? ''),
      target: null,
      db: null,
    };
    return found.length > 0 ? found : [{ ...absent, ...nothing('not there') }];
  });
  if (keys.every(({ state }) => state === 'not there')) {
    throw new CacheOpsError(
      'not_found',
      keys.length === 1 ? `there is no key "${keys[0]?.key}"` : 'none of the keys is there',
    );
  }
  await emit(context, keysResult.parse({ keys }), renderKeyTtls);
  if (keys.some(({ state }) => state.startsWith('not '))) context.exitCode = ExitCode.partial;
}

async function ttlOfKey(
  { now, signal }: Context,
  masters: Masters,
  name: string,
  { type }: Flags,
): Promise<KeysResult['keys']> {
  const rows: KeysResult['keys'] = [];
  const at = { target: masters.target, db: masters.db };
  const wanted = { ...wantedBy(name), facts: true, sizes: false, type };
  await walkKeys(
    masters,
    wanted,
    ({ keys, unreadable }) => {
      for (const { key, ttl_ms } of keys) {
        const expires_at = ttl_ms === null ? null : new Date(now() + ttl_ms).toISOString();
        const state = ttl_ms === null ? 'never expires' : 'expires';
        rows.push({ ...named('key', key), ...at, state, ttl_ms, expires_at });
      }
      for (const key of unreadable) {
        rows.push({ ...named('key', key), ...at, ...nothing('not readable') });
      }
    },
    signal,
  );
  return rows;
}

const nothing = (state: (typeof STATES)[number]) => ({ state, ttl_ms: null, expires_at: null });

function renderKeyTtls({ keys }: KeysResult): Block[] {
  const rows = keys.map(({ key, ttl_ms, state, target }) => [
    keyCell(key),
    ms(ttl_ms),
    { value: state, text: state, tone: state === 'expires' ? ('ok' as const) : ('warn' as const) },
    target,
  ]);
  return [{ table: { columns: ['key', 'ttl', 'state', 'target'], rows, optional: ['target'] } }];
}

const patternResult = z.object({
  pattern: z.string(),
  targets: z.array(
    z.extend(place, {
      keys: z.number(),
      no_ttl: z.number(),
      shortest_ms: z.nullable(z.number()),
      longest_ms: z.nullable(z.number()),
      /** `up_to_ms` null: longer than the bound before it. */
      buckets: z.array(z.object({ up_to_ms: z.nullable(z.number()), keys: z.number() })),
      /** Some of the keys that never expire. */
      examples: z.array(keyName),
      looked_at: z.nullable(z.number()),
      complete: z.boolean(),
      unreadable: z.number(),
      slots_moved: z.boolean(),
    }),
  ),
});
type PatternResult = z.infer<typeof patternResult>;

async function ttlOfPattern(context: Context, pattern: string, flags: Flags): Promise<void> {
  const targets: PatternResult['targets'] = [];
  const progress = await startProgress(context, 'Looking at keys');
  const onProgress = (keys: number) => progress.say(`Looking at keys: ${countText(keys)} so far`);
  try {
    for (const target of targetsOf(await context.config(), flags)) {
      await atTarget(context, target, whereOf(flags), async (masters) => {
        const wanted = { ...wantedBy(pattern), type: flags.type };
        const { signal } = context;
        const found = await ttlHistogram(masters, wanted, { signal, onProgress });
        const examples = found.without.map((key) => named('key', key));
        targets.push({ target: masters.target, db: masters.db, ...found, examples });
      });
    }
  } finally {
    progress.stop();
  }
  await emit(context, patternResult.parse({ pattern, targets }), renderHistogram);
  if (targets.some((seen) => seen.unreadable > 0 || seen.slots_moved))
    context.exitCode = ExitCode.partial;
}

function renderHistogram({ pattern, targets }: PatternResult): Block[] {
  return targets.flatMap((found): Block[] => {
    const { target, keys, no_ttl, buckets, examples, complete } = found;
    if (keys === 0) return [{ note: `${target}: no key matches ${pattern}.` }, ...remarksOf(found)];
    let above = 0;
    const rows = buckets.map(({ up_to_ms, keys: count_ }) => {
      const label =
        up_to_ms === null ? `longer than ${ms(above).text}` : `up to ${ms(up_to_ms).text}`;
      above = up_to_ms ?? above;
      return { value: up_to_ms, text: label, keys: count_ };
    });
    const never = { value: null, text: 'never expires', keys: no_ttl };
    return [
      {
        title: `Time to live of ${pattern} in ${target}`,
        table: {
          columns: ['expires in', 'keys', 'share'],
          rows: [...rows, never].map((row) => [
            { value: row.value, text: row.text },
            count(row.keys, row === never && no_ttl > 0 ? 'warn' : undefined),
            percent(row.keys / keys),
          ]),
        },
      },
      ...(examples.length > 0
        ? [
            {
              note: `Without a TTL, for example: ${examples.map(({ key }) => keyCell(key).text).join(', ')}`,
              tone: 'warn' as const,
            },
          ]
        : []),
      ...remarksOf(found),
      ...(complete
        ? []
        : [{ note: 'Interrupted: not all keys were looked at.', tone: 'warn' as const }]),
    ];
  });
}

function remarksOf({ unreadable, slots_moved }: PatternResult['targets'][number]): Block[] {
  return [...(unreadable > 0 ? [hidden(unreadable)] : []), ...(slots_moved ? [moving()] : [])];
}
