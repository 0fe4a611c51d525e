import type { Block, Cell, Figure, Tone } from '../../output/blocks.js';
import { toFigure } from '../../output/emit.js';
import { ms, status } from '../../output/format.js';
import { fold } from '../../output/wrap.js';
import { STAGES, type Stage } from '../../redis/channel.js';
import type { PingNode, PingResult, PingTarget } from '../ping.js';

/** Below this, text in pieces is no better than text that the terminal breaks. */
const NARROWEST = 16;
const PERCENTILES = ['p50', 'p95', 'p99', 'max'] as const;

interface Row {
  target: PingTarget;
  node: PingNode;
}

/** For a terminal of that width: a table of times, then what is wrong and what to check next. */
export function renderTable(result: PingResult, width: number): Block[] {
  const rows = rowsOf(result);
  const columns: { name: string; cell: (row: Row) => Cell }[] = [
    { name: 'target', cell: ({ target }) => target.target },
    { name: 'address', cell: ({ node }) => node.address },
    { name: 'role', cell: ({ node }) => node.role },
    { name: 'status', cell: statusOf },
    ...STAGES.map((name) => ({ name, cell: (row: Row) => stageOf(row, name) })),
    ...PERCENTILES.map((name) => ({ name, cell: ({ node }: Row) => millis(node.latency?.[name]) })),
  ];
  // A stage that no server came to (no TLS, no host name to resolve) takes no room.
  const shown = columns.filter(({ cell }) =>
    rows.some((row) => toFigure(cell(row)).value !== null),
  );
  return [
    {
      title: 'Times in ms',
      table: {
        columns: shown.map(({ name }) => name),
        optional: ['p95', 'p99', 'dns', 'auth'],
        rows: rows.map((row) => shown.map(({ cell }) => cell(row))),
      },
    },
    ...problems(rows, width).flatMap((paragraph) => [{ note: '' }, ...paragraph]),
  ];
}

/** For a pipe: every field of every server, one line each; what to check next as remarks. */
export function renderLines(result: PingResult): Block[] {
  const rows = rowsOf(result);
  return [
    {
      table: {
        columns: [
          'target',
          'address',
          'role',
          'status',
          'failed_stage',
          'code',
          'reason',
          ...STAGES,
          'count',
          ...PERCENTILES,
        ],
        rows: rows.map((row) => [
          row.target.target,
          row.node.address,
          row.node.role,
          statusOf(row),
          row.node.failed_stage,
          row.node.problem?.code,
          row.node.problem?.reason,
          ...STAGES.map((stage) => ms(row.node.stages[stage])),
          row.node.latency?.count,
          ...PERCENTILES.map((name) => ms(row.node.latency?.[name])),
        ]),
      },
    },
    ...problems(rows, Number.POSITIVE_INFINITY).flat(),
  ];
}

function rowsOf({ targets }: PingResult): Row[] {
  return targets.flatMap((target) => target.nodes.map((node) => ({ target, node })));
}

const statusOf = ({ target, node }: Row): Figure => status(node.status, toneOf(target, node));

/** Yellow for a failure that the rest of the target makes up for. */
function toneOf({ reachable, nodes }: PingTarget, { ok }: PingNode): Tone {
  if (ok) return 'ok';
  return reachable && nodes.some((node) => node.ok) ? 'warn' : 'critical';
}

function stageOf({ target, node }: Row, stage: Stage): Cell {
  if (node.failed_stage === stage) return status('fail', toneOf(target, node));
  return millis(node.stages[stage]);
}

/** Four characters or so: thirteen columns are to fit. */
function millis(value: number | undefined): Cell {
  return value === undefined
    ? null
    : { value, text: value < 10 ? value.toFixed(2) : value.toFixed(0) };
}

/** One paragraph for each problem: what failed, and what to check next. Said once for servers that share it. */
function problems(rows: readonly Row[], width: number): Block[][] {
  const shared = new Map<string, { rows: Row[]; next: string[] }>();
  for (const row of rows) {
    const { problem } = row.node;
    if (!problem) continue;
    const key = JSON.stringify([row.target.target, problem.code, problem.next]);
    const entry = shared.get(key) ?? { rows: [], next: problem.next };
    entry.rows.push(row);
    shared.set(key, entry);
  }
  return [...shared.values()].map(({ rows: same, next }) => [
    ...same.flatMap((row) => notes(headline(row), '', width, toneOf(row.target, row.node))),
    ...next.flatMap((check, index) => notes(check, `  ${index + 1}. `, width)),
  ]);
}

/** `main 127.0.0.1:6379: TCP: connection refused: ...` */
function headline({ target, node }: Row): string {
  const who = target.target === node.address ? node.address : `${target.target} ${node.address}`;
  const stage = node.failed_stage ? `${node.failed_stage.toUpperCase()}: ` : '';
  return `${who}: ${stage}${node.problem?.reason}`;
}

/** A remark broken at spaces, the lines after the first one below its text. */
function notes(text: string, label: string, width: number, tone?: Tone): Block[] {
  const indent = ' '.repeat(label.length || 2);
  return fold(text, Math.max(width - indent.length, NARROWEST)).map((line, index) => ({
    note: `${index === 0 ? label : indent}${line}`,
    ...(tone && { tone }),
  }));
}
