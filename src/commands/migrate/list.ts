import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { OUTCOMES } from '../../migration/outcome.js';
import { findPlan, type Plan, planFolder, plans } from '../../migration/plan/store.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { count } from '../../output/format.js';
import { linesOf } from '../../state/lines.js';
import { holderOf } from '../../state/lock.js';
import { applyResult, outcomesOf } from './apply-report.js';

export function registerList(topic: Command, context: Context): void {
  topic
    .command('list')
    .description('the plans that are stored, the newest first')
    .action(async () => {
      await emit(
        context,
        listResult.parse({ plans: plans(context.state).map(briefly) }),
        renderList,
      );
    });
  topic
    .command('status')
    .description('how far a plan has come (default: the newest)')
    .argument('[plan]', 'as plan or list names it')
    .action(async (id: string | undefined) => {
      const [newest] = plans(context.state);
      const plan = findPlan(context.state, id ?? newest?.id ?? 'at all');
      await emit(context, await status(context, plan), renderStatus);
    });
}

const brief = z.object({
  plan: z.string(),
  kind: z.string(),
  source: z.string(),
  target: z.string(),
  state: z.string(),
  entries: z.number(),
  bad: z.number(),
  made_at: z.string(),
});
const listResult = z.object({ plans: z.array(brief) });

function briefly({ id, kind, source, target, state, entries, bad, made_at }: Plan) {
  return { plan: id, kind, source: source.description, target, state, entries, bad, made_at };
}

function renderList({ plans: list }: z.infer<typeof listResult>): Block[] {
  if (list.length === 0) return [{ note: 'No plan is stored.' }];
  const rows = list.map(({ plan, kind, source, target, state, entries, bad }) => [
    plan,
    kind,
    state,
    count(entries),
    count(bad),
    target,
    source,
  ]);
  const columns = ['plan', 'kind', 'state', 'entries', 'bad', 'target', 'source'];
  return [{ table: { columns, rows, optional: ['source', 'target', 'bad'] } }];
}

const statusResult = z.extend(brief, {
  /** The process that is at work on it. */
  at_work: z.nullable(z.number()),
  counts: applyResult.shape.counts,
  /** The first of the entries that cannot be moved. */
  bad_entries: z.array(z.object({ place: z.number(), problem: z.string(), reason: z.string() })),
});

async function status({ state }: Context, plan: Plan) {
  const folder = planFolder(state, plan.id);
  return statusResult.parse({
    ...briefly(plan),
    at_work: holderOf(folder)?.pid ?? null,
    counts: outcomesOf(folder, plan.records),
    bad_entries: plan.bad > 0 ? await badOf(state.path('migrate', plan.id, 'bad.ndjson')) : [],
  });
}

/** So many are shown; the file has all. */
const SHOWN = 20;

async function badOf(file: string): Promise<unknown[]> {
  const bad: unknown[] = [];
  for await (const lines of linesOf(file)) {
    for (const line of lines) if (line !== '' && bad.length < SHOWN) bad.push(JSON.parse(line));
    if (bad.length === SHOWN) break;
  }
  return bad;
}

function renderStatus(result: z.infer<typeof statusResult>): Block[] {
  const { plan, kind, state, entries, counts, at_work, source, target, bad_entries } = result;
  const rows = OUTCOMES.filter((name) => counts[name] > 0).map((name) => [
    name,
    count(counts[name]),
  ]);
  const working = at_work === null ? '' : `; process ${at_work} is at work on it`;
  return [
    {
      note: `${plan}: ${state}${working}. ${count(entries).text} ${kind} of ${source} to ${target}.`,
    },
    { table: { columns: ['outcome', kind], rows } },
    ...bad_entries.map(
      ({ place, reason }): Block => ({ note: `${place}: ${reason}`, tone: 'warn' }),
    ),
  ];
}
