import { appendFileSync, readFileSync } from 'node:fs';
import { codeOf, messageOf } from '../errors.js';
import { makeFolder, type State, stateWrite, writeDurably } from '../state/folder.js';

/** Memory of one server at one moment, as an earlier run of the command saw it. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  used: number;
  /** What of it counts towards the limit. */
  counted: number;
  peak: number | null;
  keys: number | null;
  /** The server's own name for its life: another one after a restart. */
  run: string | null;
}

/** Samples of one server so far, the oldest first, and why this one could not be kept. */
export interface History {
  samples: Sample[];
  unwritable: string | null;
}

/** With so many lines the older ones are thinned; what is left then is at most some 800. */
const MOST_LINES = 1_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** At least so far apart, up to an age. What is older than the last is dropped. */
const APART = [
  { age: 6 * HOUR, apart: 5 * MINUTE },
  { age: 14 * DAY, apart: HOUR },
  { age: 400 * DAY, apart: DAY },
];

/**
 * Adds a sample to those of a server, in the state folder. They are a convenience: a folder that
 * cannot be written, or lines that are torn, are no error.
 */
export function remember(state: State, server: string, sample: Sample): History {
  const file = state.path('memory', 'samples', `${fileName(server)}.ndjson`);
  const { samples: earlier, lines } = recall(file);
  // A clock that was put back leaves samples of the future, which belong to no trend.
  const samples = [...earlier.filter(({ at }) => at < sample.at), sample];
  try {
    if (lines < MOST_LINES) append(state, file, sample);
    else writeDurably(file, thinned(samples).map(lineOf).join(''));
    return { samples, unwritable: null };
  } catch (error) {
    return { samples, unwritable: messageOf(error) };
  }
}

/** A write of one short line is whole, also beside that of another process. */
function append(state: State, file: string, sample: Sample): void {
  const add = () => appendFileSync(file, lineOf(sample), { mode: 0o600 });
  try {
    add();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') makeFolder(state.path('memory', 'samples'));
    stateWrite(file, add);
  }
}

/**
 * Those since the server last started or was emptied: another life, or less than half of the memory
 * or of the keys that there were a sample ago.
 */
export function sinceRestart(samples: readonly Sample[]): Sample[] {
  const start = samples.findLastIndex((sample, index) => {
    const before = samples[index - 1];
    if (!before) return true;
    if (sample.run !== null && before.run !== null && sample.run !== before.run) return true;
    return sample.used < before.used / 2 || halved(sample.keys, before.keys);
  });
  return samples.slice(Math.max(0, start));
}

const halved = (now: number | null, before: number | null) =>
  now !== null && before !== null && now < before / 2;

function thinned(samples: readonly Sample[]): Sample[] {
  const now = samples.at(-1)?.at ?? 0;
  const kept: Sample[] = [];
  // The newest first: of those that are too close it is the newer one that stays.
  for (const sample of samples.toReversed()) {
    const apart = APART.find(({ age }) => now - sample.at <= age)?.apart;
    if (apart === undefined) break;
    if (kept.length === 0 || (kept.at(-1) as Sample).at - sample.at >= apart) kept.push(sample);
  }
  return kept.reverse();
}

function recall(file: string): { samples: Sample[]; lines: number } {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const samples = lines.flatMap((line) => parse(line) ?? []).sort((a, b) => a.at - b.at);
    return { samples, lines: lines.length };
  } catch {
    return { samples: [], lines: 0 };
  }
}

function parse(line: string): Sample | undefined {
  try {
    const { at, used, counted, peak = null, keys = null, run = null } = JSON.parse(line);
    if (![at, used, counted].every(Number.isFinite)) return undefined;
    return { at, used, counted, peak, keys, run };
  } catch {
    return undefined;
  }
}

const lineOf = (sample: Sample) => `${JSON.stringify(sample)}\n`;

/** Different servers have different names, and a path in a name leads nowhere. */
function fileName(server: string): string {
  const name = server.replace(/[^\w.@-]/g, (character) => `%${character.charCodeAt(0)}`);
  return name.slice(-200);
}
