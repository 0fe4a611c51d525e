import { type Command, CommanderError } from 'commander';
import { closestMatch } from 'leven';
import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { STATUSES, type Status, worst } from '../../health/finding.js';
import { inspectMemory } from '../../memory/overview.js';
import { type OverviewResult, overviewResult } from '../../memory/result.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { selectRedis } from '../../redis/target.js';
import { spanText } from '../../words.js';
import { renderLines, renderScreen } from './render-overview.js';

interface Flags {
  sample?: string;
  strict?: boolean;
}

/** `memory` itself. To be called when its subcommands are there. */
export function registerOverview(command: Command, context: Context): void {
  command.helpCommand(true);
  // commander would take the flags of a subcommand for those of the topic where names are the same.
  const [, word] = command.parent?.args ?? [];
  if (command.commands.some((sub) => sub.name() === word)) return;
  explainMistypes(command);
  command
    .argument('[target...]', 'names from the configuration, or redis:// URLs (default: all)')
    .option('--sample <duration>', 'look twice, so far apart, for a rate of growth (such as 30s)')
    .option('--strict', 'exit 3 for a warning too')
    .addHelpText(
      'after',
      `
Every Redis behind a target: use and peak against the limit, data and overhead, fragmentation,
buffers of clients, replicas and the AOF, scripts, the databases; what the eviction policy means
for the keys that are here; what is abnormal, with the line that mends it.
The limit is maxmemory, else the configured capacity, else that of the server's control group
(where it runs on this machine beyond doubt), else all memory of its host.

Each run keeps a sample in the state folder. From four samples over half an hour on, it says
when 80 and 100 % of the limit will be reached. Nothing is written to Redis.

In a pipe, tab-separated: "server" lines and "database" lines; findings go to stderr.
Exit 3 when anything is critical (a server of a target is down, over 90 %), with --strict also
for a warning; 5 when a target cannot be reached.

Examples:
  $ cache-ops memory                             every Redis of the estate
  $ cache-ops memory main --sample 30s           and how fast it grows now
  $ cache-ops memory --json | jq '.servers[].trend.reaches_80'
  $ cache-ops memory capacity --item results=1000x50kb --item checks=1000x5kb`,
    )
    .action(async (targets: string[], flags: Flags) => {
      const sample = flags.sample === undefined ? 0 : parseDuration(flags.sample, '--sample');
      const known = await knownTargets(context, command, targets);
      const { result, reached } = await overview(context, { targets: known, sample });
      const now = context.now();
      await emit(context, result, (all) =>
        context.stdout.isTTY ? renderScreen(all, now) : renderLines(all, now),
      );
      const limit: Status = flags.strict ? 'warn' : 'critical';
      if (STATUSES.indexOf(result.status) >= STATUSES.indexOf(limit))
        context.exitCode = ExitCode.bad;
      if (!reached) context.exitCode = ExitCode.connect;
    });
}

/** `memory capcity --item ...`: a mistyped command is taken for a target, and then its flags are unknown. */
function explainMistypes(command: Command): void {
  command.exitOverride((error) => {
    const [name] = command.args;
    const names = command.commands.map((sub) => sub.name());
    const meant =
      error.code === 'commander.unknownOption' && name && !name.startsWith('-')
        ? closestMatch(name, names, { maxDistance: Math.max(2, Math.floor(name.length / 3)) })
        : undefined;
    if (meant === undefined) throw error;
    const message = `unknown command '${name}'\n(Did you mean ${command.name()} ${meant}?)`;
    throw new CommanderError(1, 'commander.unknownCommand', message);
  });
}

/** A word that is no target may be a command that was mistyped. */
async function knownTargets(
  context: Context,
  command: Command,
  targets: readonly string[],
): Promise<readonly string[]> {
  const { redis } = await context.config();
  const unknown = targets.find((name) => !Object.hasOwn(redis, name) && !/[:/@]/.test(name));
  if (unknown === undefined) return targets;
  const names = [...Object.keys(redis), ...command.commands.map((sub) => sub.name())];
  throw new CacheOpsError(
    'not_found',
    `no Redis and no command of memory is named "${unknown}"`,
    nearest(unknown, names),
  );
}

export interface OverviewRequest {
  targets: readonly string[];
  /** Milliseconds; 0 measures no rate. */
  sample: number;
}

export async function overview(
  context: Context,
  { targets, sample }: OverviewRequest,
): Promise<{ result: OverviewResult; reached: boolean }> {
  const chosen = selectRedis(await context.config(), targets);
  const { state, signal, now, settings } = context;
  const names = chosen.map(({ name }) => name).join(', ');
  const until = sample > 0 ? `, again in ${spanText(sample)}` : '';
  const progress = await startProgress(context, `Reading the memory of ${names}${until}`);
  const at = new Date(now()).toISOString();
  try {
    const options = { sample, state, signal, now, timeout: settings.timeout };
    const seen = await Promise.all(chosen.map((target) => inspectMemory(target, options)));
    const servers = seen.flatMap((target) => target.servers);
    const result = overviewResult.parse({
      status: worst(servers.map(({ status }) => status)),
      at,
      sample_ms: sample,
      servers,
      unwritable: seen.find(({ unwritable }) => unwritable !== null)?.unwritable ?? null,
    });
    return { result, reached: seen.every((target) => target.reached) };
  } finally {
    progress.stop();
  }
}
