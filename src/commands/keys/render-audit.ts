import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, status } from '../../output/format.js';
import type { AuditResult } from './audit.js';
import { hidden, sizeless } from './render-ls.js';

type Target = AuditResult['targets'][number];

export function renderAudit({ rules, targets }: AuditResult): Block[] {
  const findings = targets.flatMap((target) =>
    target.findings.map((finding) => ({ target, finding })),
  );
  const rows = findings.map(({ target, finding }): Cell[] => [
    status(finding.kind, 'warn'),
    finding.rule,
    count(finding.keys),
    bytes(finding.bytes),
    exampleOf(finding.examples[0]),
    target.target,
  ]);
  const columns = ['finding', 'rule', 'keys', 'size', 'example', 'target'];
  return [
    ...(rows.length > 0
      ? [{ table: { columns, rows, optional: ['target', 'size', 'example'] } }]
      : []),
    ...targets.flatMap(remarks),
    {
      note: `${rules.built_in ? "The estate's own rules were used: the configuration has none under keys.rules" : `Rules of the configuration: ${rules.match.length}`}; {prefix} is ${rules.prefix}, {env} is ${rules.environment}.`,
      tone: 'dim',
    },
  ];
}

function exampleOf(example: Target['findings'][number]['examples'][number] | undefined): Cell {
  if (!example) return null;
  const { key, detail } = example;
  const text = key.length > 60 ? `${key.slice(0, 57)}...` : key;
  return { value: key, text: detail === null ? text : `${text} (${detail})` };
}

function remarks(target: Target): Block[] {
  const { keys, violating, queues, no_rule, complete, unreadable, uncounted, no_sizes } = target;
  const queued = queues.reduce((sum, queue) => sum + queue.keys, 0);
  const shown = no_rule
    .slice(0, 5)
    .map(({ pattern, keys: of }) => `${pattern} (${count(of).text})`);
  return [
    {
      note: `${target.target}: ${count(violating).text} of ${count(keys).text} keys break a rule.`,
      tone: violating > 0 ? 'warn' : 'ok',
    },
    ...(shown.length > 0
      ? [
          {
            note: `Keys without a rule look like ${shown.join(', ')}${no_rule.length > 5 ? ', ...' : ''}`,
          },
        ]
      : []),
    ...(queued > 0
      ? [
          {
            note: `Besides, ${count(queued).text} keys belong to BullMQ queues (${queues
              .slice(0, 5)
              .map(({ queue }) => queue)
              .join(', ')}${queues.length > 5 ? ', ...' : ''}): no violation.`,
          },
        ]
      : []),
    ...(uncounted > 0
      ? [
          {
            note: `The messages of ${count(uncounted).text} sessions could not be counted: not JSON, or over 1 MB.`,
            tone: 'warn' as const,
          },
        ]
      : []),
    ...(unreadable > 0 ? [hidden(unreadable)] : []),
    ...(no_sizes
      ? [sizeless(), { note: "Of a rule's max_size nothing was checked.", tone: 'warn' as const }]
      : []),
    ...(complete
      ? []
      : [{ note: 'Interrupted: not all keys were looked at.', tone: 'warn' as const }]),
  ];
}
