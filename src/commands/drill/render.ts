import type { Plan } from '../../drills/engine.js';
import { inWords } from '../../drills/faults/act.js';
import { type DrillEvent, figureName, type Report } from '../../drills/record.js';
import type { Comparison } from '../../drills/trends.js';
import type { Work } from '../../drills/work.js';
import type { Block } from '../../output/blocks.js';
import { count, ms, percent, printable } from '../../output/format.js';
import type { JUnitCase } from '../../output/junit.js';
import { wrap } from '../../output/wrap.js';

/** What `--dry-run` says: everything that the drill would do to the target. */
export function preview({ experiment, prepared, applications, environment }: Plan) {
  const { breaks, mends } = inWords(prepared.fault);
  return {
    drill: experiment.name,
    target: prepared.target.name,
    address: prepared.address,
    environment,
    persistence: prepared.persistence ?? null,
    break: breaks,
    mend: mends,
    ...(prepared.work && { task: taskInWords(prepared.work) }),
    applications: applications.map(({ name }) => name),
    limits: experiment.limits,
  };
}

function taskInWords({ task, taker, postgres }: Work): string {
  if (task !== undefined) return `${task}, which is under way`;
  const { tasks } = taker ?? {};
  return `one of its own: ${tasks?.items} items by ${taker?.name} (${tasks?.start}); its rows in ${postgres.name} are removed`;
}

export function renderPreview(plan: ReturnType<typeof preview>): Block[] {
  return [
    {
      table: {
        columns: ['what', 'how'],
        rows: [
          ['drill', plan.drill],
          ['target', `${plan.target} (${plan.address}), ${plan.environment}`],
          ['break', plan.break],
          ['mend', plan.mend],
          ...(plan.task === undefined ? [] : [['task', plan.task]]),
          ['data kept by', plan.persistence ?? 'NOTHING'],
          ['applications', plan.applications.join(', ')],
          ['broken for about', ms(plan.limits.hold)],
          ['back at the latest after', ms(plan.limits.deadline)],
        ],
      },
    },
    { note: 'Nothing was done: this is a dry run.', tone: 'dim' },
  ];
}

/** A line of a drill that goes on; broken where the terminal ends. */
export function renderEvent({ at, phase, message }: DrillEvent, columns: number): string {
  const head = `${(at / 1_000).toFixed(3).padStart(8)} s  ${phase.padEnd(8)} `;
  const lines = wrap(printable(message), Math.max(columns - head.length, 16));
  return `${head}${lines.join(`\n${' '.repeat(head.length)}`)}\n`;
}

export function renderReport(report: Report, compared?: Comparison | null): Block[] {
  const { id, drill, target, verdict, reasons, applications, outage_ms, restored_by } = report;
  const { facts } = report;
  const tone = verdict === 'passed' ? 'ok' : 'critical';
  return [
    {
      table: {
        columns: [
          'application',
          'degraded',
          'recovered',
          'available',
          'requests',
          'failed',
          'worst',
          'changes',
        ],
        rows: applications.map((row) => [
          row.application,
          ms(row.degrade_ms),
          ms(row.recover_ms),
          percent(row.availability),
          count(row.requests),
          count(row.failed),
          ms(row.worst_ms),
          row.transitions,
        ]),
      },
    },
    ...(Object.keys(facts).length > 0
      ? [
          {
            table: {
              columns: ['figure', 'value'],
              rows: Object.entries(facts).map(([name, value]) => [
                figureName(name),
                typeof value === 'number' ? count(value) : value,
              ]),
            },
          },
        ]
      : []),
    {
      note: `${drill} on ${target}: ${verdict}. Outage ${ms(outage_ms).text}; restored by ${restored_by ?? 'nobody'}.`,
      tone,
    },
    ...reasons.map((reason) => ({ note: `- ${reason}`, tone }) as const),
    ...comparison(compared),
    { note: `The report: cache-ops drill history ${id}`, tone: 'dim' },
  ];
}

function comparison(compared: Comparison | null | undefined): Block[] {
  if (compared === undefined) return [];
  if (compared === null) return [{ note: 'It has not been run here before.', tone: 'dim' }];
  const change = (name: 'degrade_ms' | 'recover_ms' | 'outage_ms') =>
    `${ms(compared[name].before).text} > ${ms(compared[name].now).text}`;
  return [
    {
      note: `Last time (${compared.verdict}) > now: degraded ${change('degrade_ms')}, recovered ${change('recover_ms')}, outage ${change('outage_ms')}.`,
      tone: 'dim',
    },
  ];
}

/** One case for the restoration, one for the drill as a whole, one an application. */
export function junitCases({
  drill,
  restored,
  reasons,
  verdict,
  applications,
}: Report): JUnitCase[] {
  const about = (name: string) => (reason: string) => reason.startsWith(`${name}: `);
  const general = reasons.filter(
    (reason) => !applications.some(({ application }) => about(application)(reason)),
  );
  return [
    { group: drill, name: 'restored', failure: restored ? undefined : 'not restored' },
    {
      group: drill,
      name: 'verdict',
      failure: verdict === 'passed' ? undefined : [verdict, ...general].join('; '),
    },
    ...applications.map(({ application }) => ({
      group: drill,
      name: application,
      failure: reasons.filter(about(application)).join('; ') || undefined,
    })),
  ];
}
