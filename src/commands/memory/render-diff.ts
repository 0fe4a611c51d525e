import { shorten } from '../../memory/advice.js';
import type { Change, Diff } from '../../memory/diff.js';
import type { Block, Cell, Figure, Tone } from '../../output/blocks.js';
import { bytes, count, percent, status } from '../../output/format.js';

/** So many lines of each list are read; the rest is counted. */
export const MOST_CHANGES = 20;

const TONES: Partial<Record<Change['change'], Tone>> = {
  grown: 'warn',
  new: 'warn',
  entered: 'warn',
  shrunk: 'ok',
  gone: 'ok',
  left: 'ok',
  same: 'dim',
  unclear: 'unknown',
};

/** What is uncertain, the two reports, and what changed of types, groups and keys; `limit` 0 for all. */
export function renderDiff(diff: Diff, limit: number): Block[] {
  const { before, after, warnings, total } = diff;
  const lists = [
    ...changes('By type', 'type', diff.types, limit),
    ...changes('By prefix', 'group', diff.groups, limit),
    ...changes('Largest keys', 'key', diff.keys, limit),
  ];
  return [
    ...warnings.map((note) => ({ note, tone: 'warn' as const })),
    { note: `From ${before.id} (${before.at}) to ${after.id} (${after.at})` },
    ...changes('All keys', 'what', [total], 0),
    ...lists,
    ...(lists.length === 0 ? [{ note: 'No type, group or large key has changed.' }] : []),
  ];
}

/** In a pipe every table has these columns, in this order. */
const COLUMNS: Record<string, (change: Change) => Cell> = {
  change: ({ change }) => status(change, TONES[change]),
  bytes: ({ bytes_change }) => signed(bytes(bytes_change)),
  keys: ({ keys_change }) => signed(count(keys_change)),
  'bytes before': ({ bytes_before }) => bytes(bytes_before),
  'bytes after': ({ bytes_after }) => bytes(bytes_after),
  'share before': ({ share_before }) => percent(share_before),
  'share after': ({ share_after }) => percent(share_after),
  'keys before': ({ keys_before }) => count(keys_before),
  'keys after': ({ keys_after }) => count(keys_after),
};

const OPTIONAL = [
  ...['keys before', 'keys after', 'share before', 'share after'],
  ...['bytes before', 'bytes after', 'keys'],
];

function changes(title: string, column: string, all: readonly Change[], limit: number): Block[] {
  if (all.length === 0) return [];
  const shown = limit === 0 ? all : all.slice(0, limit);
  const cells = Object.values(COLUMNS);
  const rows = shown.map((change): Cell[] => [
    { value: change.name, text: shorten(change.name) },
    ...cells.map((cell) => cell(change)),
  ]);
  const left = all.length - shown.length;
  return [
    { title, table: { columns: [column, ...Object.keys(COLUMNS)], rows, optional: OPTIONAL } },
    ...(left > 0 ? [{ note: `and ${left} smaller changes; --limit 0 shows all` }] : []),
  ];
}

/** A growth with its sign; a terminal would not say otherwise which way it went. */
function signed(figure: Figure): Figure {
  const grew = typeof figure.value === 'number' && figure.value > 0;
  return grew ? { ...figure, text: `+${figure.text}` } : figure;
}
