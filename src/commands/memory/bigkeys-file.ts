import { basename } from 'node:path';
import type { Context } from '../../context.js';
import type { Report } from '../../memory/report.js';
import { reportId } from '../../memory/store.js';
import { type SurveyOptions, serversOf } from '../../memory/survey.js';
import { Tally } from '../../memory/tally/tally.js';
import { toReport } from '../../memory/to-report.js';
import { say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Limits } from '../../redis/channel.js';
import type { KeySink } from '../../redis/key-fact.js';
import { type RdbEnd, type RdbHooks, readRdb } from '../../redis/rdb/read.js';
import { readFromServer, writesFile } from '../../redis/rdb/replication.js';
import { connectError } from '../../redis/servers.js';
import { type Access, label, type RedisTarget } from '../../redis/target.js';
import { bytesText, countText, percentText } from '../../words.js';
import { inputOf } from './input.js';

/** The report of an RDB file, or of stdin. */
export async function reportFromFile(
  context: Context,
  file: string,
  options: SurveyOptions,
): Promise<Report> {
  const name = file === '-' ? 'stdin' : basename(file);
  return read(context, 'rdb', name, options, async (sinks, hooks) => [
    await readRdb(inputOf(context, file), sinks(name), { ...hooks, signal: context.signal }),
  ]);
}

/** The report of what a server, or each master of a cluster, sends to a new replica. */
export async function reportFromReplication(
  context: Context,
  target: RedisTarget,
  options: SurveyOptions,
): Promise<Report> {
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  const accesses = await serversOf(target, false, limits);
  return read(context, 'replication', target.name, options, async (sinks, hooks) => {
    const ends: RdbEnd[] = [];
    // One after the other: each server forks.
    for (const access of accesses) {
      await warnOfFile(context, access, limits).catch(() => {});
      const reading = readFromServer(access, limits, sinks(label(access.endpoint)), hooks);
      ends.push(
        await reading.catch(async (error: unknown) => {
          throw await connectError(target, access, error, limits);
        }),
      );
    }
    return ends;
  });
}

/** Said before it happens; that a server cannot be asked is said by what comes next. */
async function warnOfFile(context: Context, access: Access, limits: Limits): Promise<void> {
  const writes = await writesFile(access, limits);
  if (writes === false) return;
  const where = label(access.endpoint);
  say(
    context,
    writes
      ? `${where} writes its dump file anew for this: repl-diskless-sync is off`
      : `${where} does not say whether it writes its dump file anew for this (repl-diskless-sync)`,
  );
}

async function read(
  context: Context,
  source: 'rdb' | 'replication',
  target: string,
  { databases, type, over, top }: SurveyOptions,
  work: (sinks: (server: string) => KeySink, hooks: RdbHooks) => Promise<RdbEnd[]>,
): Promise<Report> {
  const began = context.now();
  const tallies: Tally[] = [];
  const [db] = databases === 'all' ? [] : databases;
  const sinks = (server: string): KeySink => {
    const tally = new Tally({ server, top });
    tallies.push(tally);
    if (db === undefined && type === undefined && over === undefined) return tally;
    return {
      add(fact) {
        if (db !== undefined && fact.db !== db) return;
        if (type !== undefined && fact.type !== type) return;
        if (over === undefined || fact.bytes >= over) tally.add(fact);
      },
    };
  };
  const progress = await startProgress(context, `Reading ${target}`);
  try {
    const ends = await work(sinks, {
      now: began,
      progress({ bytes, total, keys }) {
        const share = total === null ? '' : ` (${percentText(bytes / total)})`;
        progress.say(`${countText(keys)} keys, ${bytesText(bytes)}${share}`);
      },
    });
    const at = new Date(began).toISOString();
    return toReport(tallies, {
      id: reportId({ at, target }),
      at,
      took_ms: Math.max(0, Math.round(context.now() - began)),
      target,
      source,
      sizes_by: 'estimate',
      samples: null,
      sampled: null,
      filter: { match: null, type: type ?? null, db: db ?? null, over: over ?? null },
      partial: ends.map(problemOf).filter(Boolean).join('; ') || null,
      servers: new Map(),
      vanished: 0,
      unreadable: 0,
    });
  } finally {
    progress.stop();
  }
}

/** Why it does not hold every key; empty when it does. */
function problemOf({ problem, interrupted, checksum }: RdbEnd): string {
  if (problem) {
    return `at byte ${countText(problem.offset)}: expected ${problem.expected}, found ${problem.found}`;
  }
  if (interrupted) return 'interrupted';
  return checksum === 'wrong' ? 'the checksum does not fit: the file is damaged' : '';
}
