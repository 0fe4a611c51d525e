import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, status } from '../../output/format.js';
import type { AuditResult } from './audit.js';
import { hidden, moving, sizeless } from './render-ls.js';
import { keyCell } from './targets.js';

type Target = AuditResult['targets'][number];

type Found = Target['findings'][number] & { target: string };

/** In a pipe one line a finding, with an example; on a terminal the examples stand apart. */
export function renderAudit({ rules, targets }: AuditResult, terminal: boolean): Block[] {
  const found = targets.flatMap(({ target, findings }) =>
    findings.map((finding): Found => ({ ...finding, target })),
  );
  const origin = rules.built_in
    ? "The estate's own rules were used: the configuration has none under keys.rules"
    : `Rules of the configuration: ${rules.match.length}`;
  return [
    ...(found.length > 0 ? [tableOf(found, terminal, targets.length > 1)] : []),
    ...(terminal && found.length > 0 ? [examplesOf(found)] : []),
    ...targets.flatMap(remarks),
    {
      note: `${origin}; {prefix} is ${rules.prefix}, {env} is ${rules.environment}.`,
      tone: 'dim',
    },
  ];
}

function tableOf(found: readonly Found[], terminal: boolean, several: boolean): Block {
  const columns = ['finding', 'rule', 'keys', 'size', ...(terminal ? [] : ['example'])];
  const rows = found.map(({ kind, rule, keys, bytes: size, examples, target }): Cell[] => [
    status(kind, 'warn'),
    rule,
    count(keys),
    bytes(size),
    ...(terminal ? [] : [examples[0]?.key]),
    ...(terminal && !several ? [] : [target]),
  ]);
  const all = terminal && !several ? columns : [...columns, 'target'];
  return { table: { columns: all, rows, optional: ['size', 'target'] } };
}

function examplesOf(found: readonly Found[]): Block {
  const rows = found.flatMap(({ kind, examples }) =>
    examples.slice(0, 2).map(({ key, detail }): Cell[] => [kind, keyCell(cut(key)), detail]),
  );
  return {
    title: 'Examples',
    table: { columns: ['finding', 'key', 'detail'], rows, optional: ['detail'] },
  };
}

const cut = (key: string) => (key.length > 100 ? `${key.slice(0, 97)}...` : key);

function remarks(target: Target): Block[] {
  const { keys, violating, queues, no_rule, complete, unreadable, uncounted } = target;
  const { no_sizes, slots_moved } = target;
  const queued = queues.reduce((sum, queue) => sum + queue.keys, 0);
  const shown = no_rule
    .slice(0, 5)
    .map(({ pattern, keys: of }) => `${keyCell(pattern).text} (${count(of).text})`);
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
    ...(slots_moved ? [moving()] : []),
    ...(complete
      ? []
      : [{ note: 'Interrupted: not all keys were looked at.', tone: 'warn' as const }]),
  ];
}
