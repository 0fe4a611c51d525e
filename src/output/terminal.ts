import { Chalk, type ChalkInstance } from 'chalk';
import Table from 'cli-table3';
import type { Block, Table as Data, Tone } from './blocks.js';
import { toFigure } from './emit.js';
import { printable } from './format.js';

interface Look {
  columns: number;
  color: boolean;
}

/** The blocks as a terminal of that width shows them; ends with a newline. */
export function layOut(blocks: readonly Block[], { columns, color }: Look): string {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  return blocks
    .map((block) => {
      if ('note' in block) return `${paint(chalk, block.tone)(printable(block.note))}\n`;
      const title = block.title ? `${chalk.bold(printable(block.title))}\n` : '';
      return `${title}${drawTable(block.table, columns, chalk)}\n`;
    })
    .join('');
}

const GAP = 2;
/** Below this a column's text is broken into pieces too short to read. */
const NARROWEST = 16;

function drawTable(data: Data, columns: number, chalk: ChalkInstance): string {
  const cells = data.rows.map((row) => row.map(toFigure));
  const texts = cells.map((row) => row.map((cell) => printable(cell.text)));
  const widths = data.columns.map((name, index) =>
    Math.max(name.length, ...texts.map((row) => row[index]?.length ?? 0)),
  );
  const fit = fitWidths(widths, columns - GAP * (widths.length - 1));
  if (!fit) return drawRecords(data, texts, cells, columns, chalk);
  const table = new Table({
    head: data.columns.map((name) => chalk.dim(name)),
    chars: BORDERLESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colWidths: fit,
    wordWrap: true,
    wrapOnWordBoundary: true,
    colAligns: data.columns.map((_, index) =>
      cells.some((row) => typeof row[index]?.value === 'number') ? 'right' : 'left',
    ),
  });
  table.push(
    ...texts.map((row, r) => row.map((text, c) => paint(chalk, cells[r]?.[c]?.tone)(text))),
  );
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
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

/** A narrow window: one field a line, rows apart. */
function drawRecords(
  data: Data,
  texts: string[][],
  cells: { tone?: Tone }[][],
  columns: number,
  chalk: ChalkInstance,
): string {
  const label = Math.max(...data.columns.map((name) => name.length));
  const room = Math.max(columns - label - GAP, NARROWEST);
  return texts
    .map((row, r) =>
      row
        .map((text, c) => {
          const lines = wrap(text, room).map(paint(chalk, cells[r]?.[c]?.tone));
          const name = (data.columns[c] ?? '').padEnd(label + GAP);
          return `${chalk.dim(name)}${lines.join(`\n${' '.repeat(label + GAP)}`)}`;
        })
        .join('\n'),
    )
    .join('\n\n');
}

/** Breaks at spaces, and inside a word only when it is longer than a line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    const line = lines[last] ? `${lines[last]} ${word}` : word;
    if (line.length <= width) lines[last] = line;
    else {
      const pieces = word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? [''];
      if (lines[last] === '') lines.pop();
      lines.push(...pieces);
    }
  }
  return lines;
}

function paint(chalk: ChalkInstance, tone: Tone | undefined): (text: string) => string {
  switch (tone) {
    case 'ok':
      return chalk.green;
    case 'warn':
      return chalk.yellow;
    case 'critical':
      return chalk.red;
    case 'unknown':
      return chalk.magenta;
    case 'dim':
      return chalk.dim;
    default:
      return (text) => text;
  }
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
