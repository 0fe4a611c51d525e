import { join } from 'node:path';
import * as z from 'zod/mini';
import { namesIn, readJson, type State, writeDurably } from '../state/folder.js';
import { historyFolder, readJournal } from './journal.js';

const measured = z.object({
  application: z.string(),
  degrade_ms: z.nullable(z.number()),
  recover_ms: z.nullable(z.number()),
  transitions: z.number(),
  requests: z.number(),
  failed: z.number(),
  availability: z.number(),
  missed_in_transition: z.number(),
  worst_ms: z.number(),
});

/** One moment of a drill; `at` in ms since it began. */
export const eventSchema = z.object({
  at: z.number(),
  phase: z.enum(['prepare', 'arm', 'inject', 'degrade', 'hold', 'restore', 'recover', 'close']),
  message: z.string(),
});
export type DrillEvent = z.infer<typeof eventSchema>;

/** The report of a drill: what scripts get, and what is stored. Times in ms, ratios 0 to 1. */
export const reportSchema = z.object({
  id: z.string(),
  drill: z.string(),
  target: z.string(),
  address: z.string(),
  environment: z.string(),
  started_at: z.string(),
  ended_at: z.string(),
  verdict: z.enum(['passed', 'failed', 'aborted']),
  reasons: z.array(z.string()),
  restored: z.boolean(),
  /** What made it restore: drill, drill restore, lease, deadline, pipe closed, signal; null when nothing was broken. */
  restored_by: z.nullable(z.string()),
  outage_ms: z.nullable(z.number()),
  applications: z.array(measured),
  /** Figures of this drill alone, by name. */
  facts: z._default(z.record(z.string(), z.union([z.number(), z.string(), z.null()])), {}),
  /** When the fault began, was to end and ended, in ms since the drill began. */
  marks: z._default(
    z.object({
      injected: z.nullable(z.number()),
      restoring: z.nullable(z.number()),
      restored: z.nullable(z.number()),
      end: z.number(),
    }),
    { injected: null, restoring: null, restored: null, end: 0 },
  ),
  timeline: z.array(eventSchema),
});
export type Report = z.infer<typeof reportSchema>;

/** The name of a fact in words: `taken up after, ms`. */
export function figureName(fact: string): string {
  return fact.replaceAll('_', ' ').replace(/ ms$/, ', ms');
}

/** Stores a report and its other forms in the drill's folder. */
export function storeReport(folder: string, report: Report, files: Record<string, string>): void {
  writeDurably(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  for (const [name, text] of Object.entries(files)) writeDurably(join(folder, name), text);
}

/** A line of the history: also drills whose command line died and that have no report. */
export interface Past {
  id: string;
  drill: string;
  target: string;
  started_at: string;
  verdict: Report['verdict'] | 'interrupted';
  restored_by: string | null;
  report: Report | null;
}

/** Past drills, newest first. */
export function history(state: State): Past[] {
  return namesIn(historyFolder(state))
    .flatMap((id): Past[] => {
      const folder = historyFolder(state, id);
      const report = reportSchema.safeParse(readJson(join(folder, 'report.json'))).data ?? null;
      const journal = readJournal(folder);
      if (report)
        return [
          {
            ...pick(report),
            started_at: report.started_at,
            verdict: report.verdict,
            restored_by: report.restored_by,
            report,
          },
        ];
      if (!journal) return [];
      return [
        {
          ...pick(journal),
          started_at: journal.openedAt,
          verdict: 'interrupted',
          restored_by: journal.restored?.by ?? null,
          report,
        },
      ];
    })
    .sort((a, b) => b.started_at.localeCompare(a.started_at));
}

function pick({ id, drill, target }: Pick<Past, 'id' | 'drill' | 'target'>) {
  return { id, drill, target };
}
