import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms } from '../../output/format.js';
import type { ShowResult } from './show.js';

/** For a terminal: what it is, then the value. In a pipe the value alone. */
export function renderValue(result: ShowResult, terminal: boolean): Block[] {
  const content = contentOf(result, terminal);
  return terminal ? [about(result), ...content, ...more(result)] : [...content, ...more(result)];
}

function about(result: ShowResult): Block {
  const { key, key_base64, key_type, encoding, ttl_ms, length, target, db, address } = result;
  const rows: Cell[][] = [
    ['key', key_base64 === undefined ? key : `${key} (not UTF-8; base64 ${key_base64})`],
    ['type', encoding === null ? key_type : `${key_type} (${encoding})`],
    [
      key_type === 'string' ? 'length' : 'elements',
      key_type === 'string' ? bytes(length) : count(length),
    ],
    ['memory', bytes(result.bytes)],
    [
      'ttl',
      ttl_ms === null ? { value: null, text: 'none: it never expires', tone: 'warn' } : ms(ttl_ms),
    ],
    ['at', `${target}, ${address}, database ${db}`],
  ];
  return {
    table: { columns: ['what', 'value'], rows: rows.map(([what, value]) => [what, asText(value)]) },
  };
}

/** All of the table's values as text: it has one column for different things. */
function asText(cell: Cell): Cell {
  return typeof cell === 'object' && cell !== null ? { ...cell, value: cell.text } : cell;
}

function contentOf(result: ShowResult, terminal: boolean): Block[] {
  const { key_type, length, entries } = result;
  if (length === null)
    return [{ note: `A value of type ${key_type} cannot be shown: it is a module's.` }];
  if (key_type === 'string' && terminal) return lines(result);
  if (entries.length === 0) return [{ note: 'Nothing is here.' }];
  const columns = ['index', 'id', 'field', 'score', 'value'] as const;
  // In a pipe every line has the same fields.
  const shown = columns.filter(
    (name) => !terminal || entries.some((entry) => entry[name] !== undefined),
  );
  return [
    {
      title: 'Value',
      table: { columns: shown, rows: entries.map((entry) => shown.map((name) => entry[name])) },
    },
  ];
}

/** A string as lines; JSON that is there as a whole is laid out. */
function lines({ entries: [entry], length, next }: ShowResult): Block[] {
  if (!entry || length === 0) return [{ note: '' }, { note: 'It is empty.', tone: 'dim' }];
  const pretty =
    next === null && entry.value_base64 === undefined ? laidOut(entry.value) : entry.value;
  return [{ note: '' }, ...pretty.split('\n').map((note) => ({ note }))];
}

function laidOut(text: string): string {
  if (!/^\s*[{[]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function more({ key_type, entries, length, next }: ShowResult): Block[] {
  if (!next) return [];
  const shown =
    key_type === 'string'
      ? `${bytes(length).text} in all; --full or --raw for the whole`
      : `${count(entries.length).text} of ${count(length).text} elements`;
  return [
    { note: '' },
    { note: `There is more (${shown}). Next page: ${next.flag} ${next.value}`, tone: 'dim' },
  ];
}
