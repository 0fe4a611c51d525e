import { writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode, messageOf } from '../../errors.js';
import type { Report } from '../../memory/report.js';
import { storedReports, storeReport } from '../../memory/store.js';
import type { SurveyOptions } from '../../memory/survey.js';
import { say } from '../../output/emit.js';
import { selectRedis } from '../../redis/target.js';
import { paceOf } from '../pace.js';
import type { BigkeysFlags } from './bigkeys.js';
import { reportFromFile, reportFromReplication } from './bigkeys-file.js';
import { reportFromServers } from './bigkeys-live.js';
import { parseSize } from './items.js';
import { writeReport, writingFrom } from './write-report.js';

/** `memory bigkeys`: makes a report, stores it, and shows it. */
export async function runBigkeys(
  context: Context,
  name: string | undefined,
  flags: BigkeysFlags,
): Promise<void> {
  const writing = {
    ...writingFrom(flags),
    ...(flags.depth !== undefined && { depth: parseCount(flags.depth, '--depth') }),
  };
  const report = await makeReport(context, name, flags, writing.format === 'ndjson');
  const trend = storedReports(context.state).filter(({ target }) => target === report.target);
  // What is no RDB file at all is nothing to compare with.
  if (report.partial === null || report.totals.keys > 0) store(context, report);
  if (flags.html !== undefined) {
    const file = isAbsolute(flags.html) ? flags.html : join(context.cwd, flags.html);
    const { renderHtml } = await import('../../memory/html/render.js');
    writePage(file, renderHtml(report, trend));
    say(context, `The page: ${file}`);
  }
  await writeReport(context, report, writing);
  if (report.partial !== null) context.exitCode = ExitCode.partial;
}

async function makeReport(
  context: Context,
  name: string | undefined,
  flags: BigkeysFlags,
  ndjson: boolean,
): Promise<Report> {
  const options = optionsOf(flags);
  if (flags.rdb !== undefined) {
    demandPlain(flags, '--rdb', name);
    return reportFromFile(context, flags.rdb, options);
  }
  const { redis } = await context.config();
  const names = Object.keys(redis);
  if (name === undefined && names.length > 1) {
    throw new CacheOpsError(
      'usage',
      `which Redis: ${names.join(', ')}?`,
      'one report is of one Redis',
    );
  }
  const [target] = selectRedis(await context.config(), name === undefined ? [] : [name]);
  if (!target) throw new CacheOpsError('config', 'no Redis is configured');
  if (flags.resume && flags.sample !== undefined) {
    throw new CacheOpsError('usage', '--resume does not go with --sample', 'take another sample');
  }
  if (flags.viaReplication) {
    demandPlain(flags, '--via-replication', undefined);
    return reportFromReplication(context, target, options);
  }
  return reportFromServers(context, target, options, { resume: flags.resume === true, ndjson });
}

/** What only a live scan can do. */
function demandPlain(flags: BigkeysFlags, flag: string, name: string | undefined): void {
  const given = (['match', 'exact', 'sample', 'replica', 'resume'] as const).filter(
    (key) => flags[key] !== undefined,
  );
  if (name !== undefined) throw new CacheOpsError('usage', `${flag} takes no target`);
  if (given.length > 0) {
    const words = given.map((key) => `--${key}`).join(', ');
    throw new CacheOpsError('usage', `${words}: not with ${flag}`, 'they are for a live scan');
  }
}

function optionsOf(flags: BigkeysFlags): SurveyOptions {
  const { match, type, db, over, sample, exact, replica, top } = flags;
  return {
    databases: db === undefined ? 'all' : [parseCount(db, '--db', 0)],
    // One latin1 character a byte, as the scan has all keys.
    ...(match !== undefined && { match: Buffer.from(match, 'utf8').toString('latin1') }),
    ...(type !== undefined && { type }),
    ...(over !== undefined && { over: parseSize(over, '--over') }),
    ...(sample !== undefined && { part: parsePart(sample) }),
    ask: { type: true, size: exact ? 'exact' : 'samples', ttl: true },
    pace: paceOf(flags),
    replica: replica === true,
    top: parseCount(top, '--top'),
  };
}

/** `1/16`: which part is left to chance, so that the next look is at others. */
function parsePart(text: string): { part: number; of: number } {
  const of = Number(/^1\/(\d+)$/.exec(text)?.[1]);
  if (of >= 2 && of <= 65_536 && Number.isInteger(Math.log2(of))) {
    return { part: Math.floor(Math.random() * of), of };
  }
  throw new CacheOpsError(
    'usage',
    `--sample: "${text}" is not a part such as 1/16`,
    'a power of two',
  );
}

/** A report that cannot be stored is shown all the same. */
function store(context: Context, report: Report): void {
  try {
    storeReport(context.state, report);
  } catch (error) {
    say(context, `the report is not stored: ${messageOf(error)}`);
  }
}

function writePage(file: string, page: string): void {
  try {
    writeFileSync(file, page);
  } catch (error) {
    throw new CacheOpsError('usage', `cannot write ${file}: ${messageOf(error)}`);
  }
}
