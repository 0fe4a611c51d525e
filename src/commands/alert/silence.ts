import { userInfo } from 'node:os';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { alertFolder } from '../../alerts/folder.js';
import { readSilences, type Silence, writeSilences } from '../../alerts/silences.js';
import { loadState } from '../../alerts/state.js';
import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { audit } from '../../state/audit.js';
import { setUp } from './setup.js';

interface Flags {
  for?: string;
  reason?: string;
  end?: boolean;
  dryRun?: boolean;
}

const LONGEST = 30 * 24 * 3_600_000;

export function registerSilence(topic: Command, context: Context): void {
  topic
    .command('silence')
    .description('tell nobody of a rule or a target for a while; it is still judged and shown')
    .argument('<name...>', 'a rule, a target such as redis:main, or both: that rule on that target')
    .option('--for <duration>', 'how long, at most 30 days')
    .option('--reason <text>', 'why; others read it')
    .option('--end', 'end such a silence now')
    .option('--dry-run', 'say what would be silenced, and do nothing')
    .addHelpText(
      'after',
      `
What had been told before is still told to be over. Silences are of this state folder: watchers on
other machines know nothing of them. Each is noted in the audit log.

Examples:
  $ cache-ops alert silence redis:main --for 2h --reason "moved to a larger host"
  $ cache-ops alert silence memory redis:main --for 1d --reason "import runs"
  $ cache-ops alert silence redis:main --end`,
    )
    .action(async (names: string[], flags: Flags) => {
      const result = flags.end
        ? await end(context, names, flags)
        : await add(context, names, flags);
      await emit(context, result, renderSilences);
    });
  topic
    .command('silences')
    .description('what is silenced, until when, by whom and why')
    .action(async () => {
      const folder = alertFolder(context.state, await context.config());
      const result = { silences: readSilences(folder, context.now()) };
      await emit(context, silencesResult.parse(result), renderSilences);
    });
}

const silencesResult = z.object({
  silences: z.array(
    z.object({
      id: z.string(),
      match: z.array(z.string()),
      reason: z.string(),
      by: z.string(),
      from: z.string(),
      until: z.string(),
    }),
  ),
});
type SilencesResult = z.infer<typeof silencesResult>;

async function add(context: Context, names: string[], flags: Flags): Promise<SilencesResult> {
  const { for: span, reason } = flags;
  if (span === undefined || !reason)
    throw new CacheOpsError(
      'usage',
      `--${span === undefined ? 'for' : 'reason'} is missing`,
      'cache-ops alert silence memory --for 2h --reason "import runs"',
    );
  const ms = parseDuration(span, '--for');
  if (ms === 0 || ms > LONGEST)
    throw new CacheOpsError('usage', '--for: more than nothing, and at most 30 days');
  const folder = alertFolder(context.state, await context.config());
  await demandKnown(context, names);
  const now = context.now();
  const silence: Silence = {
    id: crypto.randomUUID().slice(0, 8),
    match: names,
    reason,
    by: userName(),
    from: new Date(now).toISOString(),
    until: new Date(now + ms).toISOString(),
  };
  if (!flags.dryRun) {
    writeSilences(folder, [...readSilences(folder, now), silence]);
    note(context, 'alert silence', names, { until: silence.until, reason });
  }
  return { silences: [silence] };
}

async function end(context: Context, names: string[], flags: Flags): Promise<SilencesResult> {
  const folder = alertFolder(context.state, await context.config());
  const all = readSilences(folder, context.now());
  const wanted = [...names].sort().join(' ');
  const isMeant = ({ id, match }: Silence) =>
    names.includes(id) || [...match].sort().join(' ') === wanted;
  const ended = all.filter(isMeant);
  if (ended.length === 0)
    throw new CacheOpsError(
      'not_found',
      `nothing is silenced by ${names.join(' ')}`,
      'cache-ops alert silences',
    );
  if (!flags.dryRun) {
    writeSilences(
      folder,
      all.filter((silence) => !isMeant(silence)),
    );
    note(context, 'alert silence --end', names, {});
  }
  return { silences: ended };
}

function note(context: Context, action: string, names: string[], detail: Record<string, unknown>) {
  audit(context, { action, target: names.join(' '), result: 'done', detail });
}

/** A name with a slip in it would silence nothing, and nobody would notice. */
async function demandKnown(context: Context, names: string[]): Promise<void> {
  const config = await context.config();
  const { book } = setUp(config);
  const { standings, retained, counters } = loadState(alertFolder(context.state, config));
  const servers = Object.keys(counters).map((key) => `redis:${key.replace('@', '/')}`);
  const known = [
    ...book.names,
    ...Object.keys(config.redis).map((name) => `redis:${name}`),
    ...Object.keys(config.postgres).map((name) => `postgres:${name}`),
    ...Object.keys(config.applications).map((name) => `application:${name}`),
    ...Object.keys(retained),
    ...servers,
    ...Object.values(standings).map(({ target }) => target),
  ];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CacheOpsError(
      'not_found',
      `"${unknown}" is neither a rule nor a target`,
      nearest(unknown, [...new Set(known)]),
    );
}

function renderSilences({ silences }: SilencesResult): Block[] {
  if (silences.length === 0) return [{ note: 'nothing is silenced' }];
  const rows = silences.map(({ id, match, until, by, reason }) => [
    id,
    match.join(' '),
    until,
    by,
    reason,
  ]);
  return [
    { table: { columns: ['id', 'silenced', 'until', 'by', 'reason'], rows, optional: ['by'] } },
  ];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A uid without an entry in the user database, as containers often have.
    return 'unknown';
  }
}
