import { Chalk, type ChalkInstance } from 'chalk';
import Table from 'cli-table3';
import type { Block, Table as Data, Tone } from './blocks.js';
import { toFigure } from './emit.js';
import { printable } from './format.js';
import { fold, wrap } from './wrap.js';

interface Look {
  columns: number;
  color: boolean;
}

/** The blocks as a terminal of that width shows them; ends with a newline. */
export function layOut(blocks: readonly Block[], { columns, color }: Look): string {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  return blocks
    .map((block, index) => {
      if ('note' in block) {
        const lines = fold(printable(block.note), columns).map(paint(chalk, block.tone));
        return `${lines.join('\n')}\n`;
      }
      const apart = index > 0 ? '\n' : '';
      const title = block.title ? `${chalk.bold(printable(block.title))}\n` : '';
      const { table, left } = leaveOut(block.table, columns);
      const remark = left.length > 0 ? `${chalk.dim(hidden(left, columns))}\n` : '';
      return `${apart}${title}${drawTable(table, columns, chalk)}\n${remark}`;
    })
    .join('')
    .replace(/\n{3,}/g, '\n\n')
    .replace(/\n+$/, '\n');
}

const GAP = 2;
/** Below this a column's text is broken into pieces too short to read. */
const NARROWEST = 16;

/** The table with as few of its optional columns left out as the width demands; all of them if none helps. */
function leaveOut(data: Data, columns: number): { table: Data; left: string[] } {
  const left: string[] = [];
  for (const name of ['', ...(data.optional ?? [])]) {
    if (data.columns.includes(name)) left.push(name);
    const kept = data.columns.flatMap((column, index) => (left.includes(column) ? [] : [index]));
    const table = {
      columns: kept.map((index) => data.columns[index] ?? ''),
      rows: data.rows.map((row) => kept.map((index) => row[index])),
    };
    if (fitWidths(widthsOf(table), columns - GAP * (kept.length - 1))) return { table, left };
  }
  return { table: data, left: [] };
}

function hidden(left: readonly string[], columns: number): string {
  return wrap(`(left out at this width: ${left.join(', ')})`, columns).join('\n');
}

function widthsOf({ columns, rows }: Data): number[] {
  return columns.map((name, index) =>
    Math.max(name.length, ...rows.map((row) => printable(toFigure(row[index]).text).length)),
  );
}

function drawTable(data: Data, columns: number, chalk: ChalkInstance): string {
  const cells = data.rows.map((row) => row.map(toFigure));
  const texts = cells.map((row) => row.map((cell) => printable(cell.text)));
  const widths = widthsOf(data);
  const fit = fitWidths(widths, columns - GAP * (widths.length - 1));
  if (!fit) return drawRecords(data, texts, cells, columns, chalk);
  const table = new Table({
    head: data.columns.map((name) => chalk.dim(name)),
    chars: BORDERLESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: data.columns.map((_, index) =>
      isNumeric(cells.map((row) => row[index]?.value)) ? 'right' : 'left',
    ),
  });
  // Broken here, and no widths are given: the table would cut off what is longer, such as a key.
  const lines = (r: number, c: number, text: string) =>
    wrap(text, fit[c] ?? text.length).map(paint(chalk, cells[r]?.[c]?.tone));
  table.push(...texts.map((row, r) => row.map((text, c) => lines(r, c, text).join('\n'))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function isNumeric(values: unknown[]): boolean {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length > 0 && known.every((value) => typeof value === 'number');
}

/** Narrows the widest column until the row fits; undefined when it would become unreadable. */
function fitWidths(widths: number[], room: number): number[] | undefined {
  const excess = widths.reduce((sum, width) => sum + width, 0) - room;
  if (excess <= 0) return widths;
  const widest = Math.max(...widths);
  const narrowed = widest - excess;
  if (narrowed < NARROWEST) return undefined;
  const at = widths.lastIndexOf(widest);
  return widths.map((width, index) => (index === at ? narrowed : width));
}

/** A narrow window: one field a line, rows apart, and apart from what follows. */
function drawRecords(
  data: Data,
  texts: string[][],
  cells: { tone?: Tone }[][],
  columns: number,
  chalk: ChalkInstance,
): string {
  // Of two columns the first names the second: the heads would only repeat "what" and "how".
  const pair = data.columns.length === 2;
  const label = pair ? 0 : Math.max(...data.columns.map((name) => name.length));
  return texts
    .map((row, r) =>
      row
        .map((text, c) => {
          const color = paint(chalk, cells[r]?.[c]?.tone);
          const indent = ' '.repeat(pair && c === 0 ? 0 : label + GAP);
          const lines = wrap(text, Math.max(columns - indent.length, NARROWEST)).map(color);
          const name = pair ? indent : (data.columns[c] ?? '').padEnd(label + GAP);
          return `${chalk.dim(name)}${lines.join(`\n${indent}`)}`;
        })
        .join('\n'),
    )
    .map((record) => (pair ? record : `${record}\n`))
    .join('\n');
}

/** A function of one argument: chalk's own would take an index from `map` for more text. */
function paint(chalk: ChalkInstance, tone: Tone | undefined): (text: string) => string {
  const colors = {
    ok: chalk.green,
    warn: chalk.yellow,
    critical: chalk.red,
    unknown: chalk.magenta,
    dim: chalk.dim,
  };
  return (text) => (tone ? colors[tone](text) : text);
}

const BORDERLESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
};
