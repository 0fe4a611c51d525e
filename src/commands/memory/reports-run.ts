import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { headSchema } from '../../memory/report.js';
import { findReport, storedReports } from '../../memory/store.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { bytes, count, status } from '../../output/format.js';
import type { ShowFlags } from './reports.js';
import { writeReport, writingFrom } from './write-report.js';

const reportsResult = z.object({ reports: z.array(headSchema) });
type ReportsResult = z.infer<typeof reportsResult>;

export async function runReports(context: Context, target: string | undefined): Promise<void> {
  await emit(context, reports(context, target), renderReports);
}

export async function runShow(
  context: Context,
  name: string | undefined,
  flags: ShowFlags,
): Promise<void> {
  const { depth, top } = flags;
  const writing = {
    ...writingFrom(flags),
    ...(depth !== undefined && { depth: parseCount(depth, '--depth') }),
    ...(top !== undefined && { top: parseCount(top, '--top', 0) }),
  };
  await writeReport(context, findReport(context.state, name ?? 'last', context.cwd), writing);
}

function reports(context: Context, target: string | undefined): ReportsResult {
  const all = storedReports(context.state);
  return { reports: all.filter((report) => target === undefined || report.target === target) };
}

function renderReports({ reports: all }: ReportsResult): Block[] {
  if (all.length === 0) {
    return [{ note: 'No report is stored. Make one: cache-ops memory bigkeys' }];
  }
  const columns = ['report', 'target', 'at', 'source', 'keys', 'bytes', 'state'];
  const rows = all.map((report) => [
    report.id,
    report.target,
    report.at,
    report.source,
    count(report.totals.keys),
    bytes(report.totals.bytes),
    stateOf(report),
  ]);
  return [{ table: { columns, rows, optional: ['at', 'source', 'target', 'state', 'keys'] } }];
}

/** Whether it is about every key. */
function stateOf({ partial, sampled, filter }: ReportsResult['reports'][number]) {
  if (partial !== null) return status('partial', 'warn');
  if (sampled) return status(`sample ${sampled.part}/${sampled.of}`, 'warn');
  const filtered = Object.values(filter).some((value) => value !== null);
  return filtered ? status('filtered', 'dim') : status('whole', 'ok');
}
