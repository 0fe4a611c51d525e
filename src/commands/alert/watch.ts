import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Command } from 'commander';
import { exposition } from '../../alerts/exposition.js';
import { heartbeat } from '../../alerts/heartbeat.js';
import { type Leader, runForLeader } from '../../alerts/leader.js';
import { openPage } from '../../alerts/page.js';
import {
  type AlertLine,
  alertLines,
  type CheckResult,
  countsOf,
  isUnknown,
  statusOf,
} from '../../alerts/result.js';
import { readSilences } from '../../alerts/silences.js';
import { RENEWED_EVERY, watch as run, type WatchOptions } from '../../alerts/watch.js';
import type { Config } from '../../config/load.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { emit, emitLine } from '../../output/emit.js';
import { redisTarget } from '../../redis/target.js';
import { VERSION } from '../../version.js';
import { renderCheck } from './render.js';
import { demandTargets, type Setup, sayProblems, setUp } from './setup.js';

interface Flags {
  interval?: string;
  heartbeatUrl?: string;
  metrics?: string;
  leader?: string;
}

export function registerWatch(topic: Command, context: Context): void {
  topic
    .command('watch')
    .description('judge everything every minute, and tell the sinks, until it is ended')
    .option('--interval <duration>', 'time between two looks (default: alerts.interval, 60s)')
    .option('--heartbeat-url <url>', 'asked for after each look (default: alerts.heartbeat)')
    .option('--metrics <address>', 'a page for Prometheus, such as :9187 or 127.0.0.1:9187')
    .option(
      '--leader <redis>',
      'of watchers on several machines one tells, by a lock on this Redis',
    )
    .addHelpText(
      'after',
      `
On a terminal one table that changes; elsewhere, and with --json, NDJSON: an item for each
alert that changes its state, a progress line for each look, a summary last.

SIGHUP reads the configuration anew; one that makes no sense is left, with a word why. SIGTERM
ends it with exit 130: what was not delivered waits on disk for the next start
(systemd: SuccessExitStatus=130). Two on one state folder: one tells, the other looks on and takes
over when it ends. With --leader several machines do the same by a lock that expires after 15 s;
while that Redis is away the last leader goes on.

The heartbeat's URL can be seen with ps while this runs: better to have it in the configuration.
The page for Prometheus has no password: open it to those who may see it.

Examples:
  $ cache-ops alert watch
  $ cache-ops alert watch --interval 15s --metrics :9187
  $ cache-ops alert watch --leader main --json >> /var/log/cache-ops-alerts.ndjson`,
    )
    .action((flags: Flags) => watch(context, flags));
}

async function watch(context: Context, flags: Flags): Promise<void> {
  const first = setUp(await context.config());
  demandTargets(first.config);
  sayProblems(context, first);
  const interval =
    flags.interval === undefined ? undefined : parseDuration(flags.interval, '--interval');
  const notice = (text: string) => context.stderr.write(`cache-ops: ${text}\n`);
  const page = flags.metrics === undefined ? undefined : await openPage(flags.metrics);
  if (page && !context.settings.quiet) notice(`metrics: ${page.url}`);
  const leader =
    flags.leader === undefined
      ? undefined
      : await elect(context, first.config, flags.leader, notice);
  const shown = await display(context);
  const url = flags.heartbeatUrl ?? first.config.alerts?.heartbeat;
  const beat = url === undefined ? undefined : heartbeat(url, { notice, signal: context.signal });
  const options: WatchOptions = {
    state: context.state,
    io: context,
    timeout: context.settings.timeout,
    interval,
    leader,
    notice,
    onReload: (listener) => {
      // On a terminal SIGHUP says that it was closed.
      if (!context.stdout.isTTY) context.host.onHangup?.(listener);
    },
    async reload() {
      const setup = setUp(await context.reload());
      demandTargets(setup.config);
      sayProblems(context, setup);
      shown.setup = setup;
      return setup;
    },
    told: (notifications) => shown.told(notifications.length),
    seen(evaluation, { state, folder, keeps, leads, waiting }) {
      const alerts = alertLines(evaluation, state, readSilences(folder, context.now()));
      const { at, took_ms } = evaluation;
      shown.evaluations += 1;
      page?.show(
        exposition(evaluation, alerts, {
          ...{ leads, at, took_ms, waiting },
          evaluations: shown.evaluations,
          version: VERSION,
        }),
      );
      beat?.();
      shown.show(resultOf(shown.setup ?? first, alerts, { at, took_ms, keeps }), leads, waiting);
    },
  };
  try {
    await run(first, options);
  } finally {
    shown.end();
    await page?.close();
  }
}

/** What is shown of evaluations as they come. */
async function display(context: Context) {
  const asLines = context.settings.json || !context.stdout.isTTY;
  // Loaded between the clearing of the screen and its first table, it would leave the screen empty.
  if (!asLines) await import('../../output/terminal.js');
  let before = new Map<string, string>();
  let messages = 0;
  const shown = {
    setup: undefined as Setup | undefined,
    evaluations: 0,
    told(count: number): void {
      messages += count;
    },
    show(result: CheckResult, leads: boolean, waiting: number): void {
      if (!asLines) {
        context.stdout.write('\x1b[H\x1b[2J');
        void emit(context, result, renderCheck);
        return;
      }
      const { at, took_ms, counts, alerts } = result;
      const now = new Map(alerts.map((line) => [`${line.rule} ${line.target}`, phaseOf(line)]));
      for (const line of alerts) {
        const key = `${line.rule} ${line.target}`;
        if (phaseOf(line) !== (before.get(key) ?? 'inactive'))
          emitLine(context, { type: 'item', at, ...line });
      }
      before = now;
      const { firing, pending, unknown, learning } = counts;
      emitLine(context, {
        type: 'progress',
        ...{ at, took_ms, firing, pending, unknown, learning, leads },
        messages,
        waiting,
      });
    },
    end(): void {
      const { evaluations } = shown;
      if (asLines) emitLine(context, { type: 'summary', evaluations, messages });
    },
  };
  return shown;
}

/** Values that take more than one look are no news, nor are those of what is down. */
function phaseOf(line: AlertLine): string {
  if (line.phase === 'unknown' && !isUnknown(line)) return 'inactive';
  return line.phase === 'inactive' ? 'inactive' : `${line.phase} ${line.severity}`;
}

function resultOf(
  { config, problems }: Setup,
  alerts: AlertLine[],
  { at, took_ms, keeps }: { at: number; took_ms: number; keeps: boolean },
): CheckResult {
  return {
    status: statusOf(alerts),
    estate: config.estate,
    environment: config.environment,
    at: new Date(at).toISOString(),
    took_ms,
    counts: countsOf(alerts),
    alerts,
    problems: problems.map(({ path, message }) => ({ path: path.join('.'), message })),
    kept: keeps,
    told: null,
  };
}

/** `main` and `redis:main` both name a Redis of the configuration. */
async function elect(
  context: Context,
  config: Config,
  name: string,
  notice: (text: string) => void,
): Promise<Leader> {
  const target = redisTarget(config, name.replace(/^redis:/, ''));
  const { prefix, environment = config.environment } = config.keys;
  const leader = runForLeader({
    target,
    key: `${prefix}:${environment}:alert-leader:${config.estate}`,
    token: `${hostname()}:${context.host.pid}:${crypto.randomUUID()}`,
    ttl: 3 * RENEWED_EVERY,
    limits: { timeout: Math.min(context.settings.timeout, RENEWED_EVERY), signal: context.signal },
    notice,
    ticks: () => performance.now(),
  });
  await leader.refresh();
  if (!leader.leads()) notice('another watcher leads; this one looks on');
  return leader;
}
