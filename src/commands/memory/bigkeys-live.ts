import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import {
  type Checkpoint,
  forgetCheckpoint,
  readCheckpoint,
  storeCheckpoint,
} from '../../memory/checkpoint.js';
import type { Report } from '../../memory/report.js';
import { reportId } from '../../memory/store.js';
import { type Surveyed, type SurveyOptions, survey } from '../../memory/survey.js';
import { toReport } from '../../memory/to-report.js';
import { emitLine } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { type ScanProgress, StalePositionError } from '../../redis/scan/types.js';
import type { RedisTarget } from '../../redis/target.js';
import { age, countText, percentText } from '../../words.js';

/** So often at most what has been seen goes to disk. */
const STORED_EVERY_MS = 2_000;

/** The report of a live scan of all servers of a target; what was seen before an interruption, too. */
export async function reportFromServers(
  context: Context,
  target: RedisTarget,
  options: SurveyOptions,
  { resume, ndjson }: { resume: boolean; ndjson: boolean },
): Promise<Report> {
  const began = context.now();
  const checkpoint = startingPoint(context, target, options, resume);
  const progress = await startProgress(context, `Reading the keys of ${target.name}`);
  const states = new Map<string, ScanProgress>();
  let stored = began;
  try {
    const seen = await survey(
      target,
      options,
      // An interrupt ends the scan at its next safe point: what has been seen is shown.
      { timeout: context.settings.timeout },
      {
        signal: context.signal,
        resume: checkpoint.servers,
        progress(address, state) {
          states.set(address, state);
          const said = sumOf([...states.values()]);
          progress.say(inWords(said));
          if (ndjson) emitLine(context, { type: 'progress', ...said });
        },
        checkpoint(address, take) {
          checkpoint.servers[address] = take();
          if (context.now() - stored < STORED_EVERY_MS) return;
          stored = context.now();
          storeCheckpoint(context.state, checkpoint);
        },
      },
    );
    const report = describeSeen(context, target, options, seen, began);
    keepOrForget(context, checkpoint, seen);
    return report;
  } catch (error) {
    if (!(error instanceof StalePositionError)) throw error;
    throw new CacheOpsError(
      'refused',
      `${target.name} is another process than the one whose scan was interrupted: it cannot go on`,
      'leave --resume out and start anew',
    );
  } finally {
    progress.stop();
  }
}

function startingPoint(
  { state, now }: Context,
  target: RedisTarget,
  options: SurveyOptions,
  resume: boolean,
): Checkpoint {
  const { pace: _, ...asked } = options;
  const question = JSON.stringify(asked);
  const before = resume ? readCheckpoint(state, target.name) : undefined;
  if (resume && !before) {
    throw new CacheOpsError('not_found', `no scan of ${target.name} was interrupted`);
  }
  if (before && before.question !== question) {
    throw new CacheOpsError(
      'usage',
      'the scan that was interrupted asked for something else',
      'give --resume with the flags that it was begun with',
    );
  }
  const at = new Date(now()).toISOString();
  return before ?? { format: 1, target: target.name, question, at, servers: {} };
}

function keepOrForget({ state }: Context, checkpoint: Checkpoint, seen: readonly Surveyed[]): void {
  const left = seen.some(({ problem, end }) => problem !== '' && end?.position);
  if (left) storeCheckpoint(state, checkpoint);
  else forgetCheckpoint(state, checkpoint.target);
}

function describeSeen(
  context: Context,
  target: RedisTarget,
  { databases, match, type, over, part, ask }: SurveyOptions,
  seen: readonly Surveyed[],
  began: number,
): Report {
  const ends = seen.flatMap(({ end }) => end?.databases ?? []);
  const at = new Date(began).toISOString();
  const problems = seen.filter(({ problem }) => problem !== '');
  const [db] = databases === 'all' ? [] : databases;
  return toReport(
    seen.map(({ tally }) => tally),
    {
      id: reportId({ at, target: target.name }),
      at,
      took_ms: Math.max(0, Math.round(context.now() - began)),
      target: target.name,
      source: 'live',
      sizes_by: seen.some(({ end }) => end?.estimated)
        ? 'estimate'
        : ask.size === 'exact'
          ? 'exact'
          : 'samples',
      samples: ask.size === 'samples' ? 2_000 : null,
      sampled: part ? { part: 1, of: part.of } : null,
      filter: {
        match: match === undefined ? null : Buffer.from(match, 'latin1').toString('utf8'),
        type: type ?? null,
        db: db ?? null,
        over: over ?? null,
      },
      partial:
        problems.length === 0
          ? null
          : problems.map(({ address, problem }) => `${address}: ${problem}`).join('; '),
      servers: new Map(
        seen.map(({ address, end, used_memory }) => [
          address,
          { dbsize: dbsizeOf(end), used_memory },
        ]),
      ),
      vanished: ends.reduce((sum, { vanished }) => sum + vanished, 0),
      unreadable: ends.reduce((sum, { unreadable }) => sum + unreadable, 0),
    },
  );
}

function dbsizeOf(end: Surveyed['end']): number | null {
  const sizes = end?.databases.map(({ keys_after }) => keys_after) ?? [];
  return end === null || sizes.includes(null)
    ? null
    : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

interface Said {
  keys: number;
  of: number | null;
  done: number | null;
  rate: number;
  left_ms: number | null;
  slowed: boolean;
}

function sumOf(states: readonly ScanProgress[]): Said {
  const sum = (pick: (state: ScanProgress) => number) =>
    states.reduce((all, state) => all + pick(state), 0);
  const keys = sum((state) => state.keys);
  const of = states.some((state) => state.of === null) ? null : sum((state) => state.of ?? 0);
  const rate = Math.round(sum((state) => state.rate));
  const shares = states.map(({ done }) => done);
  const done = shares.includes(null) ? null : sum((state) => state.done ?? 0) / states.length;
  const left = of === null || rate === 0 ? null : Math.max(0, ((of - keys) / rate) * 1_000);
  return {
    keys,
    of,
    done,
    rate,
    left_ms: left === null ? null : Math.round(left),
    slowed: states.some(({ slowed }) => slowed),
  };
}

function inWords({ keys, of, done, rate, left_ms, slowed }: Said): string {
  return [
    `${countText(keys)}${of === null ? '' : ` of ${countText(of)}`} keys`,
    ...(done === null ? [] : [percentText(done)]),
    `${countText(rate)} a second`,
    ...(left_ms === null ? [] : [`${age(left_ms / 1_000)} left`]),
    ...(slowed ? ['slowed down for other clients'] : []),
  ].join(', ');
}
