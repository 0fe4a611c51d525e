import type { Context } from '../context.js';
import type { Block, Cell, Figure, Tone } from './blocks.js';
import { json, printable } from './format.js';

type Sink = Pick<Context, 'stdout' | 'stderr' | 'settings' | 'env'>;

/**
 * Writes a command's result: one JSON document with `--json`, tables and remarks on a terminal,
 * tab-separated values in a pipe (remarks then go to stderr).
 */
export async function emit<T>(
  context: Sink,
  result: T,
  render: (result: T) => Block[],
): Promise<void> {
  const { settings, stdout, stderr } = context;
  if (settings.json) {
    stdout.write(`${json(result)}\n`);
    return;
  }
  const blocks = render(result);
  if (stdout.isTTY) {
    const { layOut } = await import('./terminal.js');
    stdout.write(layOut(settings.quiet ? blocks.filter(isTable) : blocks, look(context)));
    return;
  }
  for (const block of blocks) {
    if ('table' in block) stdout.write(block.table.rows.map(tabbed).join(''));
    else if (!settings.quiet) stderr.write(`${printable(block.note)}\n`);
  }
}

/** One line of NDJSON. */
export function emitLine(
  context: Sink,
  line: { type: 'progress' | 'item' | 'summary' } & Record<string, unknown>,
): void {
  context.stdout.write(`${json(line)}\n`);
}

/** A message to the operator on stderr; nothing with `--quiet`. */
export function say(context: Sink, text: string): void {
  if (!context.settings.quiet) context.stderr.write(`${printable(text)}\n`);
}

/** The width and colours of the terminal that stdout is. */
export function look({ stdout, settings }: Sink): { columns: number; color: boolean } {
  return { columns: stdout.columns, color: stdout.isTTY && settings.color };
}

export function toFigure(cell: Cell): Figure & { tone?: Tone } {
  if (cell === null || cell === undefined) return { value: null, text: '-', tone: 'dim' };
  return typeof cell === 'object' ? cell : { value: cell, text: String(cell) };
}

function tabbed(row: readonly Cell[]): string {
  return `${row.map((cell) => printable(String(toFigure(cell).value ?? ''))).join('\t')}\n`;
}

function isTable(block: Block): boolean {
  return 'table' in block;
}
