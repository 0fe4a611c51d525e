import type { Command } from 'commander';
import type { ControlConfig } from '../../config/control.js';
import { nearest } from '../../config/nearest.js';
import type { Context } from '../../context.js';
import { EXPERIMENTS } from '../../drills/catalogue.js';
import { openDrills } from '../../drills/journal.js';
import { history, type Past } from '../../drills/record.js';
import { type OpenDrill, restoreDrill, statusOf } from '../../drills/restoration.js';
import { slowest, type Trend, type Trends, trendsOf } from '../../drills/trends.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { ms, percent, status } from '../../output/format.js';
import { audit } from '../../state/audit.js';
import { renderReport } from './render.js';

/** The commands about drills that are open or over. */
export function registerRecords(command: Command, context: Context): void {
  command
    .command('list')
    .description('the drills, and the targets each can be run on')
    .action(async () => emit(context, await list(context), renderList));
  command
    .command('status')
    .description('drills that are not closed (exit 7 when nobody looks after one)')
    .action(async () => {
      const open = statusOf(context.state);
      await emit(context, { open }, renderStatus);
      if (open.some(({ state }) => state === 'orphaned')) context.exitCode = ExitCode.notRestored;
    });
  command
    .command('restore')
    .description('restore what open drills have broken, and close them')
    .argument('[id]', 'a drill or its target (default: every open drill)')
    .action(async (id: string | undefined) => {
      const result = await restoreAll(context, id);
      await emit(context, result, renderRestored);
      if (!result.ok) context.exitCode = ExitCode.notRestored;
    });
  command
    .command('history')
    .description('past drills, newest first; with an id, its report')
    .argument('[id]', 'the drill whose report to show')
    .option('--trends', 'how long degrading and recovering took, over all runs of each drill')
    .action(async (id: string | undefined, { trends }: { trends?: boolean }) => {
      const past = history(context.state);
      if (trends) return emit(context, trendsOf(past), renderTrends);
      if (id === undefined) return emit(context, past, renderHistory);
      const report = past.find((drill) => drill.id === id)?.report;
      if (report) return emit(context, report, (shown) => renderReport(shown));
      throw new CacheOpsError(
        'not_found',
        `there is no report of a drill "${id}"`,
        nearest(
          id,
          past.map((drill) => drill.id),
        ),
      );
    });
}

async function list(context: Context) {
  const config = await context.config();
  return {
    drills: EXPERIMENTS.map(({ name, summary, server, effect }) => ({
      name,
      summary,
      targets:
        server === 'worker'
          ? Object.keys(config.workers)
          : Object.entries(config[server]).flatMap(([target, { control, ...where }]) => {
              const single = server === 'postgres' || ('url' in where && where.url !== undefined);
              // What is only hampered needs no way to start it; a master is taken from many nodes.
              const able = effect === 'failover' ? !single : single;
              return able && (waysToStop(control) || (effect !== 'stop' && effect !== 'restart'))
                ? [target]
                : [];
            }),
    })),
  };
}

/** A proxy stops nothing. */
function waysToStop(control: ControlConfig | undefined): boolean {
  return Object.keys(control ?? {}).some((name) => name !== 'proxy');
}

function renderList({ drills }: Awaited<ReturnType<typeof list>>): Block[] {
  const none = drills.every(({ targets }) => targets.length === 0);
  return [
    {
      table: {
        columns: ['drill', 'what it does', 'targets'],
        rows: drills.map(({ name, summary, targets }) => [name, summary, targets.join(', ')]),
      },
    },
    ...(none
      ? [
          {
            note: 'Nothing can be broken here: no Redis, no Postgres and no worker is configured for it.',
            tone: 'warn' as const,
          },
        ]
      : []),
  ];
}

const STATE_TONE = {
  running: 'ok',
  guarded: 'warn',
  orphaned: 'critical',
  abandoned: 'dim',
} as const;

function renderStatus({ open }: { open: OpenDrill[] }): Block[] {
  if (open.length === 0) return [{ note: 'No drill is open.' }];
  return [
    {
      table: {
        columns: ['id', 'drill', 'target', 'address', 'phase', 'state'],
        rows: open.map(({ id, drill, target, address, phase, state }) => [
          id,
          drill,
          target,
          address,
          phase,
          status(state, STATE_TONE[state]),
        ]),
      },
    },
    ...(open.some(({ state }) => state === 'orphaned')
      ? [
          {
            note: 'Nobody looks after an orphaned drill. Restore it: cache-ops drill restore',
            tone: 'critical' as const,
          },
        ]
      : []),
  ];
}

async function restoreAll(context: Context, id: string | undefined) {
  const open = openDrills(context.state).filter(
    ({ journal }) => id === undefined || journal.id === id || journal.target === id,
  );
  if (id !== undefined && open.length === 0) {
    throw new CacheOpsError('not_found', `no drill "${id}" is open`, 'see cache-ops drill status');
  }
  const drills = await Promise.all(
    open.map(async ({ folder, journal }) => {
      const outcome = await restoreDrill(context, folder);
      const reason = outcome.type === 'not_restored' ? outcome.reason : null;
      audit(context, {
        action: 'drill restore',
        target: journal.target,
        result: reason ?? 'restored',
        detail: { id: journal.id },
      });
      return {
        id: journal.id,
        target: journal.target,
        address: journal.address,
        restored: reason === null,
        reason,
      };
    }),
  );
  return { ok: drills.every(({ restored }) => restored), drills };
}

function renderRestored({ drills }: Awaited<ReturnType<typeof restoreAll>>): Block[] {
  if (drills.length === 0) return [{ note: 'No drill is open: there is nothing to restore.' }];
  return [
    {
      table: {
        columns: ['id', 'target', 'address', 'restored', 'reason'],
        rows: drills.map(({ id, target, address, restored, reason }) => [
          id,
          target,
          address,
          restored ? status('yes', 'ok') : status('NO', 'critical'),
          reason ?? '',
        ]),
      },
    },
  ];
}

function renderHistory(past: Past[]): Block[] {
  if (past.length === 0) return [{ note: 'No drill has been run yet.' }];
  const tone = { passed: 'ok', failed: 'critical', aborted: 'warn', interrupted: 'warn' } as const;
  return [
    {
      table: {
        columns: ['id', 'drill', 'target', 'verdict', 'restored by', 'degraded', 'recovered'],
        rows: past.map(({ id, drill, target, verdict, restored_by, report }) => [
          id,
          drill,
          target,
          status(verdict, tone[verdict]),
          restored_by,
          ms(slowest(report, 'degrade_ms')),
          ms(slowest(report, 'recover_ms')),
        ]),
      },
    },
  ];
}

function renderTrends(trends: Trends[]): Block[] {
  if (trends.length === 0) return [{ note: 'No drill has been run yet.' }];
  // The last run, and what is usual and worst over all of them.
  const cells = ({ last, median, worst }: Trend) => [ms(last), ms(median), ms(worst)];
  return [
    {
      table: {
        columns: [
          ...['drill', 'target', 'runs', 'passed'],
          ...['degraded', 'median', 'worst', 'recovered', 'median', 'worst', 'available'],
        ],
        rows: trends.map((trend) => [
          trend.drill,
          trend.target,
          trend.runs,
          trend.passed,
          ...cells(trend.degrade_ms),
          ...cells(trend.recover_ms),
          percent(trend.availability.last),
        ]),
      },
    },
  ];
}
