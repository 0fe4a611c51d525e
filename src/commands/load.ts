import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { nearest } from '../config/nearest.js';
import { parseCount, size } from '../config/units.js';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { applicationSubject } from '../load/application.js';
import { missed, type Plan, putLoad, type Subject } from '../load/load.js';
import { demandRoom, redisSubject } from '../load/redis.js';
import { emit, say } from '../output/emit.js';
import { startProgress } from '../output/progress.js';
import { type Consent, consent } from '../prompt.js';
import { selectCache } from '../smoke/smoke.js';
import { bytesText } from '../words.js';
import { audited } from './audited.js';
import { remark, renderLoad } from './load/render.js';

interface Flags extends Consent {
  application?: string;
  writes: string;
  writeClients: string;
  reads: string;
  readClients: string;
  size: string;
  dryRun?: boolean;
}

/** What a test may come to at most. */
const MOST = { operations: 1_000_000, clients: 500, bytes: 100 * 1024 ** 2 } as const;

export function register(command: Command, context: Context): void {
  command
    .argument('[target]', 'a Redis with the role cache (default: the first one)')
    .option('--application <name>', 'through the cache routes of an application instead')
    .option('--writes <n>', 'how many writes', '1000')
    .option('--write-clients <n>', 'by how many clients', '10')
    .option('--reads <n>', 'how many reads of what was written', '10000')
    .option('--read-clients <n>', 'by how many clients', '50')
    .option('--size <bytes>', 'of each value', '1kb')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', "the target's name, needed in production")
    .addHelpText(
      'after',
      `
The runbook's load test: 1,000 writes by 10 clients, then 10,000 reads by 50. Passed when
both make more than 1,000 operations a second, with p99 under 50 ms and without an error.
Every client waits for its answer before it asks again.

It writes under {keys.prefix}:cache-ops:load: (cache-ops-load- in an application) only, and
removes its keys by name afterwards, also when it is interrupted. In Redis each lives 10
minutes at most, in an application as its probe's body says. It is refused where it would
take Redis over 80 % of its memory. At most ${MOST.operations.toLocaleString('en-US')} operations, ${MOST.clients} clients, ${bytesText(MOST.bytes)}.
Exit 3 when it is not passed, 5 when nobody answers.

Examples:
  $ cache-ops load                                       straight at the cache
  $ cache-ops load --application backend --yes           through an application
  $ cache-ops load --size 50kb --reads 2000 --json`,
    )
    .action(async (target: string | undefined, flags: Flags) => {
      const result = await load(context, target, flags);
      await emit(context, result, renderLoad);
      if (!result.ok && !result.dry_run) context.exitCode = ExitCode.bad;
    });
}

const time = z.number().check(z.describe('milliseconds'));

const loadResult = z.object({
  ok: z.boolean(),
  dry_run: z.boolean(),
  subject: z.string(),
  kind: z.enum(['redis', 'application']),
  value_bytes: z.number(),
  phases: z.array(
    z.object({
      phase: z.enum(['write', 'read']),
      clients: z.number(),
      operations: z.number(),
      errors: z.number(),
      first_error: z.nullable(z.string()),
      took_ms: time,
      per_s: z.number(),
      latency: z.nullable(
        z.object({ count: z.number(), p50: time, p95: time, p99: time, max: time }),
      ),
      /** Why it is not passed; empty when it is. */
      missed: z.array(z.string()),
    }),
  ),
  /** Keys that could not be removed, and why. */
  leftovers: z.object({ keys: z.number(), reason: z.nullable(z.string()) }),
});
export type LoadResult = z.infer<typeof loadResult>;

export async function load(
  context: Context,
  name: string | undefined,
  flags: Flags,
): Promise<LoadResult> {
  const plan = planOf(flags);
  const bytes = sizeOf(flags.size, plan);
  const chosen = await choose(context, name, flags, bytes);
  const { subject: label, kind } = chosen;
  const base = { subject: label, kind, value_bytes: bytes };
  if (flags.dryRun) {
    const phases = [planned('write', plan), planned('read', plan)];
    return loadResult.parse({
      ...base,
      ok: false,
      dry_run: true,
      phases,
      leftovers: { keys: 0, reason: null },
    });
  }
  const asked = `Put load on ${label}: ${plan.writes} writes by ${plan.writeClients} clients, ${plan.reads} reads by ${plan.readClients}?`;
  await consent(context, asked, label, flags);
  await chosen.prepare();
  const progress = await startProgress(context, 'Connecting');
  try {
    const { signal } = context;
    let leftovers: LoadResult['leftovers'] = { keys: 0, reason: null };
    const phases = await putLoad(chosen.open, plan, {
      signal,
      onProgress: (text) => progress.say(text),
      onLeft(left) {
        leftovers = left;
        if (signal.aborted) say(context, remark(kind, left));
      },
    });
    const judged = phases.map((phase) => ({ ...phase, missed: missed(phase) }));
    const ok = judged.every((phase) => phase.missed.length === 0);
    audited(context, { action: 'load', target: label, result: ok ? 'passed' : 'missed' });
    return loadResult.parse({ ...base, ok, dry_run: false, phases: judged, leftovers });
  } finally {
    progress.stop();
  }
}

interface Chosen {
  subject: string;
  kind: LoadResult['kind'];
  open: Subject;
  /** Throws when the test must not be made. */
  prepare(): Promise<void>;
}

async function choose(
  context: Context,
  name: string | undefined,
  { application, writes }: Flags,
  bytes: number,
): Promise<Chosen> {
  const config = await context.config();
  const { timeout } = context.settings;
  const id = randomBytes(8).toString('hex');
  // base64 of random bytes: neither a server nor a proxy on the way can compress it to nothing.
  const value = randomBytes(bytes).toString('base64').slice(0, bytes);
  if (application === undefined) {
    const target = selectCache(config, name);
    const prefix = `${config.keys.prefix}:cache-ops:load:{${id}}:`;
    const total = Number(writes) * (bytes + prefix.length + 100);
    const limits = { timeout, signal: context.signal };
    return {
      subject: target.name,
      kind: 'redis',
      open: redisSubject(target, prefix, value, limits),
      prepare: () => demandRoom(target, prefix, total, limits),
    };
  }
  if (name !== undefined)
    throw new CacheOpsError('usage', '--application does not go with a Redis', 'leave one out');
  const { applications } = config;
  const found = Object.hasOwn(applications, application) ? applications[application] : undefined;
  if (!found)
    throw new CacheOpsError(
      'not_found',
      `no application is named "${application}"`,
      nearest(application, Object.keys(applications)),
    );
  if (!found.probe)
    throw new CacheOpsError(
      'config',
      `applications.${application}.probe is not set: there is no route to write through`,
      'probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}", delete: "DELETE /api/cache/{key}" }',
    );
  const subject = { name: application, config: found };
  return {
    subject: application,
    kind: 'application',
    open: applicationSubject(subject, `cache-ops-load-${id}-`, value, timeout),
    prepare: async () => {},
  };
}

function planOf(flags: Flags): Plan {
  const count = (text: string, flag: string, most: number, least = 1) => {
    const value = parseCount(text, flag, least);
    if (value <= most) return value;
    throw new CacheOpsError('usage', `${flag}: at most ${most}`);
  };
  return {
    writes: count(flags.writes, '--writes', MOST.operations),
    writeClients: count(flags.writeClients, '--write-clients', MOST.clients),
    reads: count(flags.reads, '--reads', MOST.operations, 0),
    readClients: count(flags.readClients, '--read-clients', MOST.clients),
  };
}

function sizeOf(text: string, { writes }: Plan): number {
  const bytes = size(text);
  if (!bytes) throw new CacheOpsError('usage', `--size: "${text}" is not a size`, 'such as 1kb');
  if (bytes * writes <= MOST.bytes) return bytes;
  throw new CacheOpsError(
    'usage',
    `${writes} values of ${bytesText(bytes)} are more than ${bytesText(MOST.bytes)}`,
    'fewer --writes or a smaller --size',
  );
}

function planned(phase: 'write' | 'read', plan: Plan) {
  const [operations, clients] =
    phase === 'write' ? [plan.writes, plan.writeClients] : [plan.reads, plan.readClients];
  const nothing = { errors: 0, first_error: null, took_ms: 0, per_s: 0, latency: null, missed: [] };
  return { phase, operations, clients, ...nothing };
}
