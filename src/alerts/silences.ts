import * as z from 'zod/mini';
import { readJson, type State, writeDurably } from '../state/folder.js';

const silence = z.object({
  id: z.string(),
  /** Rules and targets that must all fit: "memory", "redis:main". */
  match: z.array(z.string()),
  reason: z.string(),
  by: z.string(),
  /** ISO times. */
  from: z.iso.datetime(),
  until: z.iso.datetime(),
});
/** Nothing is told of what it fits until it ends; it is still judged, and shown. */
export type Silence = z.infer<typeof silence>;

const file = (folder: Pick<State, 'path'>) => folder.path('silences.json');

/** Those that have not ended, the first to end first. */
export function readSilences(folder: Pick<State, 'path'>, now: number): Silence[] {
  const all = z.array(silence).safeParse(readJson(file(folder))).data ?? [];
  return all
    .filter(({ until }) => Date.parse(until) > now)
    .sort((a, b) => Date.parse(a.until) - Date.parse(b.until));
}

export function writeSilences(folder: Pick<State, 'path'>, silences: readonly Silence[]): void {
  writeDurably(file(folder), `${JSON.stringify(silences)}\n`);
}

/** The silence that an alert is under. */
export function silencing(
  silences: readonly Silence[],
  { rule, target, group }: { rule: string; target: string; group: string },
): Silence | undefined {
  return silences.find(({ match }) =>
    match.every((name) => name === rule || name === target || name === group),
  );
}
