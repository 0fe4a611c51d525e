import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../config/units.js';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { emit, look } from '../output/emit.js';
import { startProgress } from '../output/progress.js';
import { isReached, type Probe, probe } from '../redis/probe.js';
import { describe, type RedisTarget, selectRedis } from '../redis/target.js';
import { renderLines, renderTable } from './ping/render.js';

/** The times of the pings are kept in memory until the percentiles are known. */
const MOST_PINGS = 1_000_000;

export function register(command: Command, context: Context): void {
  command
    .argument('[target...]', 'names from the configuration, or redis:// URLs (default: all)')
    .option('-n, --count <n>', 'pings for the latency percentiles', '5')
    .addHelpText(
      'after',
      `
Every Redis behind a target is looked at: the node; the master, the replicas and
the sentinels; all nodes of a cluster. --timeout limits each answer, and a dead
target keeps no other one waiting. It reads only.

In a pipe, one line a server, tab-separated: target, address, role, status (ok,
bad, failed), failed stage, code, reason, then milliseconds for dns, tcp, tls,
auth and ping, the number of pings, their p50, p95, p99 and max. What to check
next goes to stderr. A password in a URL can be seen with ps while this runs:
better to have the target in the configuration.

Examples:
  $ cache-ops ping                               every Redis of the estate
  $ cache-ops ping main --count 100              percentiles over 100 pings
  $ cache-ops ping rediss://cache.example:6380   one that is not configured
  $ cache-ops ping --json | jq '.targets[] | select(.ok | not)'

Exit codes: 0 all is fine; 3 reachable, but in a bad state (loading, a replica
where a master is expected, cluster down, a replica or sentinel dead); 5 a
target cannot be reached; 130 interrupted.`,
    )
    .action(async (targets: string[], options: { count: string }) => {
      const result = await ping(context, { targets, count: countOf(options.count) });
      const { columns } = look(context);
      await emit(context, result, (shown) =>
        context.stdout.isTTY ? renderTable(shown, columns) : renderLines(shown),
      );
      if (!result.ok) context.exitCode = ExitCode.bad;
      if (result.targets.some(({ reachable }) => !reachable)) context.exitCode = ExitCode.connect;
    });
}

const time = z.number().check(z.describe('milliseconds'));

const pingResult = z.object({
  ok: z.boolean(),
  targets: z.array(
    z.object({
      target: z.string(),
      address: z.string(),
      ok: z.boolean().check(z.describe('every server of it is fine')),
      reachable: z
        .boolean()
        .check(z.describe('an application could connect; its state may be bad')),
      nodes: z.array(
        z.object({
          address: z.string(),
          role: z
            .nullable(z.enum(['master', 'replica', 'sentinel']))
            .check(
              z.describe('what it says it is; what it is announced as when it cannot be asked'),
            ),
          ok: z.boolean(),
          status: z
            .enum(['ok', 'bad', 'failed'])
            .check(
              z.describe('bad: it answers, but its state is bad; failed: no usable connection'),
            ),
          stages: z.object({
            dns: z.optional(time),
            tcp: z.optional(time),
            tls: z.optional(time),
            auth: z.optional(time),
            ping: z.optional(time),
          }),
          failed_stage: z.nullable(z.enum(['dns', 'tcp', 'tls', 'auth', 'ping'])),
          latency: z.nullable(
            z.object({ count: z.number(), p50: time, p95: time, p99: time, max: time }),
          ),
          problem: z.nullable(
            z.object({ code: z.string(), reason: z.string(), next: z.array(z.string()) }),
          ),
        }),
      ),
    }),
  ),
});
export type PingResult = z.infer<typeof pingResult>;
export type PingTarget = PingResult['targets'][number];
export type PingNode = PingTarget['nodes'][number];

export async function ping(
  context: Context,
  { targets, count }: { targets: string[]; count: number },
): Promise<PingResult> {
  const chosen = selectRedis(await context.config(), targets);
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  // Before the first ping: to load the spinner between two of them would be measured too.
  const progress = await startProgress(context, `Pinging ${namesOf(chosen)}`);
  try {
    const probed = await Promise.all(
      chosen.map(async (target) => toResult(target, await probe(target, count, limits))),
    );
    return pingResult.parse({ ok: probed.every(({ ok }) => ok), targets: probed });
  } finally {
    progress.stop();
  }
}

const namesOf = (targets: readonly RedisTarget[]) => targets.map(({ name }) => name).join(', ');

function toResult(target: RedisTarget, probes: readonly Probe[]): PingTarget {
  const nodes = probes.map(toNode);
  return {
    target: target.name,
    address: describe(target),
    ok: nodes.every(({ ok }) => ok),
    reachable: isReached(target, probes),
    nodes,
  };
}

function toNode(seen: Probe): PingNode {
  const { address, role, announced, stages, failed, latency, problem } = seen;
  return {
    address,
    role: role ?? announced ?? null,
    ok: problem === undefined,
    status: problem ? (problem.reachable ? 'bad' : 'failed') : 'ok',
    stages: rounded(stages),
    failed_stage: failed ?? null,
    latency: latency ? rounded(latency) : null,
    problem: problem ? { code: problem.code, reason: problem.reason, next: problem.next } : null,
  };
}

/** To microseconds: the clock has no more to say. */
function rounded<T extends object>(figures: T): T {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1_000) / 1_000]),
  ) as T;
}

function countOf(text: string): number {
  const count = parseCount(text, '--count');
  if (count <= MOST_PINGS) return count;
  throw new CacheOpsError('usage', `--count: at most ${MOST_PINGS} pings`);
}
