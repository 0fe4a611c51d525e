import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { cleanSome, readCacheTable } from '../../caches/table.js';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { count } from '../../output/format.js';
import { startProgress } from '../../output/progress.js';
import { openPostgres } from '../../postgres/client.js';
import { type Consent, consent } from '../../prompt.js';
import { audited } from '../audited.js';
import { oneCacheTable } from './postgres.js';

interface Flags extends Consent {
  target?: string;
  batch: string;
  dryRun?: boolean;
}

/** Milliseconds between two batches: others are let in. */
const PAUSE = 20;
const MOST = 10_000;

export function registerClean(topic: Command, context: Context): void {
  topic
    .command('clean')
    .description('removes expired rows of the cache in Postgres, in batches')
    .option('--target <postgres>', 'a Postgres of the configuration')
    .option('--batch <n>', 'rows in one statement', '1000')
    .option('--dry-run', 'say how many there are, and remove none')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Postgres, for production')
    .addHelpText(
      'after',
      `
Only rows that nobody can read any more. Ctrl-C ends it between two batches.`,
    )
    .action(async (flags: Flags) => emit(context, await clean(context, flags), render));
}

const cleanResult = z.object({
  target: z.string(),
  dry_run: z.boolean(),
  expired: z.number(),
  removed: z.number(),
});
type CleanResult = z.infer<typeof cleanResult>;

async function clean(context: Context, flags: Flags): Promise<CleanResult> {
  const batch = Math.min(parseCount(flags.batch, '--batch'), MOST);
  const { target, value } = await oneCacheTable(context, flags.target, readCacheTable);
  const base = { target: target.name, expired: value.expired };
  if (flags.dryRun || value.expired === 0)
    return cleanResult.parse({ ...base, dry_run: flags.dryRun === true, removed: 0 });
  const asked = `Remove ${value.expired} expired rows of app_cache from ${target.name}?`;
  await consent(context, asked, target.name, flags);
  const session = openPostgres(target, { timeout: context.settings.timeout });
  const progress = await startProgress(context, 'Removing expired rows');
  let removed = 0;
  try {
    for (let last = batch; last === batch && !context.signal.aborted; ) {
      last = await session.write((query) => cleanSome(query, batch));
      removed += last;
      progress.say(`${removed} of ${value.expired} expired rows removed`);
      await sleep(PAUSE);
    }
    return cleanResult.parse({ ...base, dry_run: false, removed });
  } finally {
    progress.stop();
    await session.close();
    audited(context, { action: 'cache clean', target: target.name, result: `${removed} removed` });
  }
}

function render({ target, expired, removed, dry_run }: CleanResult): Block[] {
  return [
    {
      table: {
        columns: ['target', 'expired', 'removed'],
        rows: [[target, count(expired), count(removed)]],
      },
    },
    ...(dry_run ? [{ note: 'Nothing was changed.' }] : []),
  ];
}
