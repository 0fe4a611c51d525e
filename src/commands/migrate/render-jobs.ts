import type { Plan } from '../../migration/plan/store.js';
import type { Block, Cell } from '../../output/blocks.js';
import { count } from '../../output/format.js';
import { memoryNotes } from './memory.js';

/** What was done with the jobs of a plan. */
export interface JobsShown {
  plan: Plan;
  verb: 'plan' | 'apply' | 'verify' | 'rollback';
  counts: Record<string, number>;
  /** Jobs with which it was not done. */
  left: { place: number; id: string; reason: string }[];
}

export function renderJobs({ plan, verb, counts, left }: JobsShown): Block[] {
  const rows = Object.entries(counts)
    .filter(([name, number]) => number > 0 && name !== 'position')
    .map(([name, number]): Cell[] => [name, count(number)]);
  const details = left.slice(0, 20).map(({ place, id, reason }): Cell[] => [place, id, reason]);
  const what = {
    plan: `To add them: cache-ops migrate apply ${plan.id}`,
    apply: `The jobs are in the queues of ${plan.target}.`,
    verify: `Compared with the queues of ${plan.target}.`,
    rollback: `Taken back from ${plan.target}.`,
  };
  return [
    { table: { columns: ['jobs', 'number'], rows } },
    ...(details.length > 0
      ? [{ title: 'Listed', table: { columns: [plan.source.unit, 'id', 'why'], rows: details } }]
      : []),
    ...(verb === 'plan' && plan.entries > 0 ? memoryNotes(plan) : []),
    { note: what[verb] },
  ];
}
