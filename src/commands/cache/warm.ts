import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { type Entry, store } from '../../caches/redis.js';
import type { Context } from '../../context.js';
import { CacheOpsError, codeOf } from '../../errors.js';
import { toBytes } from '../../keys/names.js';
import { applicationPrefix } from '../../keys/prefix.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { count } from '../../output/format.js';
import { startProgress } from '../../output/progress.js';
import { type Consent, consent } from '../../prompt.js';
import { audited } from '../audited.js';
import { addTarget, atTarget, oneTarget, type TargetFlags, whereOf } from '../keys/targets.js';

interface Flags extends TargetFlags, Consent {
  dryRun?: boolean;
}

const CHUNK = 100;
const DEFAULT_TTL = 3_600;

const line = z.strictObject({
  key: z.string().check(z.minLength(1), z.maxLength(500)),
  value: z.unknown(),
  ttl: z._default(z.int().check(z.gte(1), z.lte(30 * 86_400)), DEFAULT_TTL),
});

export function registerWarm(topic: Command, context: Context): void {
  const command = topic
    .command('warm')
    .description('stores entries in the cache on Redis before anybody asks for them')
    .argument('<file>', 'one JSON document a line: {"key":..., "value":..., "ttl": seconds}');
  addTarget(command)
    .option('--dry-run', 'check the file, and store nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
The whole file is checked before the first entry is stored. Entries that are there are left alone;
each gets a time to live, an hour where none is given. Run it again after an interruption.`,
    )
    .action(async (file: string, flags: Flags) =>
      emit(context, await warm(context, file, flags), render),
    );
}

const warmResult = z.object({
  target: z.string(),
  dry_run: z.boolean(),
  entries: z.number(),
  stored: z.number(),
  /** There already. */
  present: z.number(),
});
type WarmResult = z.infer<typeof warmResult>;

async function warm(context: Context, file: string, flags: Flags): Promise<WarmResult> {
  const path = resolve(context.cwd, file);
  let entries = 0;
  for await (const _ of entriesOf(path)) entries += 1;
  const config = await context.config();
  const target = oneTarget(config, flags.target, '--target');
  const base = { target: target.name, entries };
  if (flags.dryRun || entries === 0)
    return warmResult.parse({ ...base, dry_run: flags.dryRun === true, stored: 0, present: 0 });
  await consent(context, `Store up to ${entries} entries in ${target.name}?`, target.name, flags);
  const prefix = `${toBytes(applicationPrefix(config))}cache:`;
  const progress = await startProgress(context, 'Warming the cache');
  let stored = 0;
  let seen = 0;
  try {
    await atTarget(context, target, whereOf(flags), async (masters) => {
      let chunk: Entry[] = [];
      const flush = async () => {
        context.signal.throwIfAborted();
        stored += await store(masters, prefix, chunk);
        seen += chunk.length;
        progress.say(`${seen} of ${entries} entries`);
        chunk = [];
      };
      for await (const entry of entriesOf(path)) {
        chunk.push(entry);
        if (chunk.length === CHUNK) await flush();
      }
      if (chunk.length > 0) await flush();
    });
    return warmResult.parse({ ...base, dry_run: false, stored, present: seen - stored });
  } finally {
    progress.stop();
    audited(context, { action: 'cache warm', target: target.name, result: `${stored} stored` });
  }
}

async function* entriesOf(path: string): AsyncGenerator<Entry> {
  const input = createReadStream(path);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  try {
    for await (const text of lines) {
      number += 1;
      if (text.trim() === '') continue;
      const { key, value, ttl } = entryOf(text, `${path}:${number}`);
      yield { key: toBytes(key), json: JSON.stringify(value), ttl };
    }
  } catch (error) {
    if (error instanceof CacheOpsError) throw error;
    throw new CacheOpsError('usage', `${path}: cannot be read (${codeOf(error) ?? error})`);
  } finally {
    input.destroy();
  }
}

function entryOf(text: string, where: string): z.infer<typeof line> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CacheOpsError('usage', `${where}: not valid JSON`);
  }
  const parsed = line.safeParse(value);
  const [issue] = parsed.error?.issues ?? [];
  if (!parsed.success)
    throw new CacheOpsError(
      'usage',
      `${where}: ${issue?.path.join('.')} ${issue?.message}`,
      'one JSON document a line: {"key":"asl:llm:1","value":{},"ttl":3600}',
    );
  return parsed.data;
}

function render({ target, entries, stored, present, dry_run }: WarmResult): Block[] {
  return [
    {
      table: {
        columns: ['target', 'entries', 'stored', 'there already'],
        rows: [[target, count(entries), count(stored), count(present)]],
      },
    },
    ...(dry_run ? [{ note: 'The file is right. Nothing was changed.' }] : []),
  ];
}
