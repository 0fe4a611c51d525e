import type { Block } from '../../output/blocks.js';
import { bytes, count, ms, status } from '../../output/format.js';
import type { LoadResult } from '../load.js';

export function renderLoad(result: LoadResult): Block[] {
  const { subject, kind, phases, leftovers, ok, dry_run, value_bytes } = result;
  const left: Block[] = leftovers.keys > 0 ? [{ note: remark(kind, leftovers), tone: 'warn' }] : [];
  return [
    {
      table: {
        columns: [
          ...['subject', 'kind', 'phase', 'clients', 'operations', 'errors'],
          ...['per second', 'p50', 'p95', 'p99', 'max', 'verdict'],
        ],
        optional: ['kind', 'p95', 'subject', 'max'],
        rows: phases.map((phase) => [
          subject,
          kind,
          phase.phase,
          count(phase.clients),
          count(phase.operations),
          count(phase.errors, phase.errors > 0 ? 'critical' : undefined),
          count(phase.per_s),
          ms(phase.latency?.p50),
          ms(phase.latency?.p95),
          ms(phase.latency?.p99),
          ms(phase.latency?.max),
          dry_run
            ? status('planned', 'dim')
            : phase.missed.length === 0
              ? status('passed', 'ok')
              : status('missed', 'critical'),
        ]),
      },
    },
    ...phases.flatMap((phase) =>
      phase.missed.map((why): Block => ({ note: `${phase.phase}: ${why}`, tone: 'critical' })),
    ),
    ...left,
    dry_run
      ? { note: `Nothing was written. Each value would have ${bytes(value_bytes).text}.` }
      : {
          note: `${ok ? 'Passed' : 'Not passed'}: the bars are more than 1,000/s, p99 under 50 ms, no error.`,
          tone: ok ? 'ok' : 'critical',
        },
  ];
}

export function remark(
  kind: LoadResult['kind'],
  { keys, reason }: LoadResult['leftovers'],
): string {
  const end =
    kind === 'redis'
      ? 'they expire within 10 minutes'
      : "they stay as long as the probe's body says";
  return `${keys} keys were not removed (${reason}); ${end}.`;
}
