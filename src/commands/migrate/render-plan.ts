import type { Bad } from '../../migration/entry.js';
import type { Block } from '../../output/blocks.js';
import { count, ms } from '../../output/format.js';
import { memoryNotes } from './memory.js';
import type { PlanResult } from './plan.js';

export interface ShownPlan {
  plan: PlanResult;
  /** The first of the entries that cannot be moved. */
  shown: Bad[];
}

export function renderPlan({ plan, shown }: ShownPlan): Block[] {
  const { source, bad, entries, target } = plan;
  const rows = shown.map(({ place, problem, reason, user, id }) => [
    place,
    problem,
    reason,
    user ?? null,
    id ?? null,
  ]);
  const columns = [source.unit, 'problem', 'reason', 'user', 'id'];
  return [
    ...(rows.length > 0
      ? [{ title: 'Cannot be moved', table: { columns, rows, optional: ['id', 'user'] } }]
      : []),
    ...(bad > shown.length
      ? [{ note: `and ${count(bad - shown.length).text} more: ${plan.problems_file}` }]
      : []),
    {
      note: `${count(entries).text} ${plan.kind} of ${source.description} can be written to ${target}${bad > 0 ? `, ${count(bad).text} cannot` : ''}.`,
      tone: bad > 0 ? 'warn' : 'ok',
    },
    ...(plan.past > 0
      ? [{ note: `${count(plan.past).text} more have expired in the source and are left out.` }]
      : []),
    ...(entries > 0 ? figures(plan) : []),
    { note: `To write it: cache-ops migrate apply ${plan.id}` },
  ];
}

function figures(plan: PlanResult): Block[] {
  const { absent, equal, differs, other_type, target, ttl_ms } = plan;
  const there = [
    `${count(absent).text} are new`,
    ...(equal > 0 ? [`${count(equal).text} are there and equal`] : []),
    ...(differs > 0 ? [`${count(differs).text} are there and differ`] : []),
    ...(other_type > 0 ? [`${count(other_type).text} keys hold another type`] : []),
  ];
  const { shortest, longest } = ttl_ms;
  const live =
    longest === null
      ? shortest === null
        ? 'for ever'
        : `${ms(shortest).text} or longer, some for ever`
      : shortest === longest
        ? ms(shortest).text
        : `${ms(shortest).text} to ${ms(longest).text}`;
  return [
    {
      note: `In ${target}: ${there.join(', ')}. Keys like ${plan.example_key}; they live ${live}.`,
    },
    ...memoryNotes(plan),
  ];
}
