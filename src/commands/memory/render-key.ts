import type { KeyMemory, KeyResult } from '../../memory/key-result.js';
import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms, percent, seconds } from '../../output/format.js';
import { countText } from '../../words.js';

type Row = [string, Cell];

/** For a pipe: the same, each line with what it is about: `field`, `element`, `size`, `content`. */
export function renderKeyLines(result: KeyResult): Block[] {
  return renderKey(result).map((block) => {
    if (!('table' in block)) return block;
    const { columns, rows } = block.table;
    const kind = KINDS[block.title ?? ''] ?? 'field';
    return { table: { columns: ['kind', ...columns], rows: rows.map((row) => [kind, ...row]) } };
  });
}

const KINDS: Record<string, string> = {
  'Largest elements': 'element',
  'Elements by size': 'size',
  Content: 'content',
};

/** Each place that has the key: its facts, its largest elements, their sizes, a sample of the content. */
export function renderKey({ key, key_base64, found, problems }: KeyResult): Block[] {
  return [
    ...found.flatMap((place) => [
      { table: { columns: ['field', 'value'], rows: facts(key, key_base64, place) } },
      ...walkTables(place),
      ...contentTable(place),
      ...remarks(place),
    ]),
    ...problems.map(
      ({ target, reason }): Block => ({ note: `${target}: ${reason}`, tone: 'critical' }),
    ),
  ];
}

function facts(key: string, base64: string | undefined, place: KeyMemory): Row[] {
  const { samples, walk } = place;
  const rows: Row[] = [
    ['key', key],
    ['key, base64', base64],
    ['on', `${place.target} ${place.address}, database ${place.db}`],
    ['type', place.type],
    ['encoding', place.encoding],
    [samples === 0 ? 'memory, exact' : 'memory', bytes(place.bytes)],
    ['length', place.length_bytes === null ? null : bytes(place.length_bytes)],
    ['elements', place.elements === null ? null : count(place.elements)],
    ['average element', walk && walk.elements > 0 ? bytes(walk.average_bytes) : null],
    ['time to live', ttl(place)],
    ['expires at', place.expires_at],
    ['idle', place.idle_s === null ? null : seconds(place.idle_s)],
    ['frequency', place.frequency],
    ['references', place.refcount],
  ];
  return rows.filter(([name, cell]) => (cell !== null && cell !== undefined) || name === 'memory');
}

function ttl({ ttl_ms, missing }: KeyMemory): Cell {
  if (ttl_ms !== null) return ms(ttl_ms);
  if (missing.some(({ command }) => command === 'PTTL')) return null;
  return { value: 'none', text: 'none: it never expires', tone: 'warn' };
}

function walkTables({ walk }: KeyMemory): Block[] {
  if (!walk || walk.elements === 0) return [];
  const share = (part: number) => percent(walk.bytes === 0 ? null : part / walk.bytes);
  return [
    {
      title: 'Largest elements',
      table: {
        columns: ['element', 'bytes', 'share'],
        rows: walk.largest.map(({ name, bytes: size }) => [name, bytes(size), share(size)]),
      },
    },
    {
      title: 'Elements by size',
      table: {
        columns: ['up to', 'elements', 'bytes', 'share'],
        rows: walk.histogram.map(({ up_to, elements, bytes: size }) => [
          bytes(up_to),
          count(elements),
          bytes(size),
          share(size),
        ]),
      },
    },
  ];
}

function contentTable({ content }: KeyMemory): Block[] {
  if (!content || content.length === 0) return [];
  const text = (value: string | null, cut: boolean): Cell =>
    value === null ? null : `${value}${cut ? '...' : ''}`;
  const named = content.some(({ name }) => name !== null);
  const rows = content.map(({ name, value, cut }): Cell[] =>
    named ? [name, text(value, cut)] : [text(value, cut)],
  );
  const columns = named ? ['element', 'begins'] : ['begins'];
  return [{ title: 'Content', table: { columns, rows } }];
}

const STOPPED = {
  elements: 'as many as --limit allows',
  time: 'as many as there was time for (--within)',
  bytes: 'up to 256 MB of them',
} as const;

function remarks({ walk, elements, type, touched, missing, length_bytes }: KeyMemory): Block[] {
  const notes: Block[] = [{ note: '' }];
  if (walk?.stopped) {
    const part = `${countText(walk.elements)} of ${elements === null ? '?' : countText(elements)}`;
    notes.push({
      note: `${part} elements were looked at, ${STOPPED[walk.stopped]}`,
      tone: 'warn',
    });
  }
  if (!walk && length_bytes === null && missing.length === 0)
    notes.push({ note: `a ${type} of a module: its elements are not looked at`, tone: 'unknown' });
  if (touched) notes.push({ note: 'this look counted as an access', tone: 'dim' });
  for (const { command, reason } of missing)
    notes.push({ note: `${command} is not to be had: ${reason}`, tone: 'unknown' });
  return notes;
}
