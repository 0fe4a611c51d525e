import type { Past, Report } from './record.js';

/** How one figure went over the runs: ms, or a ratio; null where no run has it. */
export interface Trend {
  last: number | null;
  previous: number | null;
  median: number | null;
  worst: number | null;
}

/** The past runs of one drill on one target. */
export interface Trends {
  drill: string;
  target: string;
  runs: number;
  passed: number;
  degrade_ms: Trend;
  recover_ms: Trend;
  outage_ms: Trend;
  availability: Trend;
}

/** Of each run the slowest application counts. Runs without a report have no figures. */
export function trendsOf(past: readonly Past[]): Trends[] {
  const groups = new Map<string, Past[]>();
  for (const run of past) {
    const name = JSON.stringify([run.drill, run.target]);
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
  return [...groups.values()].map((runs) => {
    const reports = runs.flatMap(({ report }) => report ?? []);
    const [{ drill, target }] = runs as [Past];
    return {
      drill,
      target,
      runs: runs.length,
      passed: runs.filter(({ verdict }) => verdict === 'passed').length,
      ...figuresOf(reports),
    };
  });
}

const FIGURES = {
  degrade_ms: (report: Report) => slowest(report, 'degrade_ms'),
  recover_ms: (report: Report) => slowest(report, 'recover_ms'),
  outage_ms: (report: Report) => report.outage_ms,
  availability: ({ applications }: Report) =>
    applications.length > 0 ? Math.min(...applications.map((one) => one.availability)) : null,
};

type Figure = keyof typeof FIGURES;

function figuresOf(newestFirst: readonly Report[]): Record<Figure, Trend> {
  const trend = (name: Figure): Trend => {
    const values = newestFirst.map(FIGURES[name]);
    const known = values.filter((value) => value !== null).sort((a, b) => a - b);
    const worst = name === 'availability' ? known[0] : known.at(-1);
    return {
      last: values[0] ?? null,
      previous: values[1] ?? null,
      median: known[Math.floor((known.length - 1) / 2)] ?? null,
      worst: worst ?? null,
    };
  };
  return {
    degrade_ms: trend('degrade_ms'),
    recover_ms: trend('recover_ms'),
    outage_ms: trend('outage_ms'),
    availability: trend('availability'),
  };
}

/** A report held against the one before it: `before` and `now` of each figure. */
export type Comparison = { id: string; verdict: string } & Record<
  Figure,
  { before: number | null; now: number | null }
>;

/** Undefined when the drill has not been run on that target before. */
export function compareWithLast(report: Report, past: readonly Past[]): Comparison | undefined {
  const last = past.find(
    (one) =>
      one.report &&
      one.drill === report.drill &&
      one.target === report.target &&
      one.id !== report.id,
  )?.report;
  if (!last) return undefined;
  const pair = (name: Figure) => ({ before: FIGURES[name](last), now: FIGURES[name](report) });
  return {
    id: last.id,
    verdict: last.verdict,
    degrade_ms: pair('degrade_ms'),
    recover_ms: pair('recover_ms'),
    outage_ms: pair('outage_ms'),
    availability: pair('availability'),
  };
}

/** Null when an application never came to it, or there is none. */
export function slowest(report: Report | null, figure: 'degrade_ms' | 'recover_ms'): number | null {
  const values = (report?.applications ?? []).map((application) => application[figure]);
  if (values.length === 0 || values.includes(null)) return null;
  return Math.max(...values.map(Number));
}
