import type { Command } from 'commander';
import type { Context } from '../context.js';
import { examine } from '../doctor/doctor.js';
import { type DoctorResult, doctorResult } from '../doctor/result.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { STATUSES, type Status } from '../health/finding.js';
import { narrow } from '../health/health.js';
import { emit } from '../output/emit.js';
import { startProgress } from '../output/progress.js';
import { renderDoctor, renderLines } from './doctor/render.js';

export function register(command: Command, context: Context): void {
  command
    .argument('[name...]', 'Redis or Postgres by name (default: all)')
    .option('--strict', 'exit 3 for a warning too')
    .addHelpText(
      'after',
      `
Of each Redis: password, TLS, bind, protected mode, the rights of the user default,
dangerous commands, persistence, memory limit, eviction policy against the role (a
queue needs noeviction, a cache must not have it), keys without a time to live (by
a sample), clients idle for long, time-outs, a version with known faults.
Of each Postgres: the rights of the role, TLS, settings that lose data, connections
against the limit, forgotten transactions, dead rows of the queue tables,
autovacuum, the maintenance of pg-boss.

Each finding says why it matters and the line that mends it; nothing is changed by
this command. After CONFIG SET, CONFIG REWRITE keeps it over a restart.
In a pipe, one line a finding: kind, target, address, status, what, message, why, line.
Exit 3 when anything is critical, with --strict also for a warning; 5 when none of
the servers can be reached.

Examples:
  $ cache-ops doctor                              the whole estate
  $ cache-ops doctor main --strict                one Redis, in CI
  $ cache-ops doctor --json | jq -r '.servers[].findings[].mend'`,
    )
    .action(async (names: string[], { strict }: { strict?: boolean }) => {
      const result = await doctor(context, names);
      await emit(context, result, context.stdout.isTTY ? renderDoctor : renderLines);
      const limit: Status = strict ? 'warn' : 'critical';
      if (STATUSES.indexOf(result.status) >= STATUSES.indexOf(limit))
        context.exitCode = ExitCode.bad;
      if (result.servers.every(({ reachable }) => !reachable)) context.exitCode = ExitCode.connect;
    });
}

export async function doctor(context: Context, names: string[]): Promise<DoctorResult> {
  const config = narrow(await context.config(), names);
  const count = Object.keys(config.redis).length + Object.keys(config.postgres).length;
  if (count === 0)
    throw new CacheOpsError(
      'config',
      'there is nothing to audit: neither a Redis nor a Postgres is configured',
      'set REDIS_URL or DATABASE_URL, or write a cache-ops.yaml: cache-ops config init',
    );
  const progress = await startProgress(context, `Auditing ${count} targets`);
  try {
    const { settings, signal, now } = context;
    return doctorResult.parse(await examine(config, { timeout: settings.timeout, signal, now }));
  } finally {
    progress.stop();
  }
}
