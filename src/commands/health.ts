import type { Command } from 'commander';
import { readRules } from '../alerts/rules.js';
import { parseCount, parseDuration } from '../config/units.js';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { STATUSES, type Status, worst } from '../health/finding.js';
import { inspect, narrow } from '../health/health.js';
import { type HealthResult, healthResult } from '../health/result.js';
import { emit, emitLine } from '../output/emit.js';
import { startProgress } from '../output/progress.js';
import { renderHealth } from './health/render.js';
import { repeat } from './health/repeat.js';

interface Flags {
  long?: boolean;
  strict?: boolean;
  watch?: string | true;
  count?: string;
  sample?: string;
}

export function register(command: Command, context: Context): void {
  command
    .argument('[name...]', 'Redis, Postgres or applications by name (default: all)')
    .option('-l, --long', 'every figure, also where the terminal is narrow')
    .option('--strict', 'exit 3 for a warning too')
    .option('--watch [interval]', 'look again and again, every 5 s unless said otherwise')
    .option('-n, --count <n>', 'with --watch: end after that many times')
    .option('--sample <duration>', 'over which rates are measured (default: 1s; 0 measures none)')
    .addHelpText(
      'after',
      `
Reads only: no key, row or version is written, and queues are counted without opening them.
Each line is ok, warn, critical, or unknown where a value cannot be had.
Exit 3 when anything is critical; with --watch as it was the last time.

Examples:
  $ cache-ops health                         the estate at a glance
  $ cache-ops health --strict --json         in CI
  $ cache-ops health main --watch 2s         one Redis, until Ctrl-C
  $ cache-ops health --json | jq '.redis[] | select(.status != "ok")'`,
    )
    .action(async (names: string[], flags: Flags) => {
      const request = { names, sample: await sampleOf(context, flags) };
      if (flags.watch !== undefined) return watch(context, request, flags);
      const result = await health(context, request);
      await emit(context, result, (all) => renderHealth(all, flags.long));
      judge(context, result.status, flags);
    });
}

export interface HealthRequest {
  names: string[];
  /** Milliseconds. */
  sample: number;
}

export async function health(
  context: Context,
  { names, sample }: HealthRequest,
): Promise<HealthResult> {
  const config = narrow(await context.config(), names);
  const parts = [config.redis, config.postgres, config.applications].flatMap(Object.keys).length;
  if (parts === 0) {
    throw new CacheOpsError(
      'config',
      'there is nothing to look at: no Redis, Postgres or application is configured',
      'set REDIS_URL or DATABASE_URL, or write a cache-ops.yaml: cache-ops config init',
    );
  }
  const progress = await startProgress(context, `Looking at ${parts} servers and applications`);
  try {
    const { timeout } = context.settings;
    const { signal, now } = context;
    // The same limits as those of alerts, and as the configuration changes them.
    const { limits } = readRules(config);
    const how = { sample, timeout, signal, now, thresholds: limits };
    return healthResult.parse(await inspect(config, how));
  } finally {
    progress.stop();
  }
}

async function sampleOf(context: Context, { sample }: Flags): Promise<number> {
  if (sample !== undefined) return parseDuration(sample, '--sample');
  return (await context.config()).health.sample;
}

function judge(context: Context, status: Status, { strict }: Flags): void {
  const limit: Status = strict ? 'warn' : 'critical';
  if (STATUSES.indexOf(status) >= STATUSES.indexOf(limit)) context.exitCode = ExitCode.bad;
}

/** Looks every `interval`; with --json one line a look and a summary at the end, also after Ctrl-C. */
async function watch(context: Context, request: HealthRequest, flags: Flags): Promise<void> {
  const interval = flags.watch === true ? '5s' : String(flags.watch);
  const count = flags.count === undefined ? undefined : parseCount(flags.count, '--count');
  const seen: Status[] = [];
  try {
    await repeat(context, parseDuration(interval, '--watch'), count, async () => {
      const result = await health(context, request);
      seen.push(result.status);
      if (context.settings.json) return emitLine(context, { type: 'item', ...result });
      // A person sees one screen that changes; a file gets one look after the other.
      if (context.stdout.isTTY) context.stdout.write('\x1b[H\x1b[2J');
      await emit(context, result, (all) => renderHealth(all, flags.long));
    });
  } finally {
    if (context.settings.json)
      emitLine(context, { type: 'summary', looks: seen.length, worst: worst(seen) });
  }
  judge(context, seen.at(-1) ?? 'ok', flags);
}
