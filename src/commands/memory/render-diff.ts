import { shorten } from '../../memory/advice.js';
import type { Change, Diff } from '../../memory/diff.js';
import type { Block, Cell, Figure, Tone } from '../../output/blocks.js';
import { toFigure } from '../../output/emit.js';
import { bytes, count, percent, status } from '../../output/format.js';

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

export interface DiffDetail {
  /** So many lines of each list; 0 for all. */
  limit: number;
  /** In a pipe every line has the same columns, and its kind; a person needs no empty ones. */
  uniform: boolean;
}

/** What is uncertain, the two reports, and what changed of types, groups and keys. */
export function renderDiff(diff: Diff, detail: DiffDetail): Block[] {
  const { before, after, warnings, total } = diff;
  const lists = [
    ...changes('By type', 'type', diff.types, detail),
    ...changes('By prefix', 'group', diff.groups, detail),
    ...changes('Largest keys', 'key', diff.keys, detail),
  ];
  return [
    ...warnings.map((note) => ({ note, tone: 'warn' as const })),
    { note: `From ${before.id} (${before.at}) to ${after.id} (${after.at})` },
    ...changes('All keys', 'total', [total], detail),
    ...lists,
    ...(lists.length === 0 ? [{ note: 'No type, group or large key has changed.' }] : []),
  ];
}

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

function changes(
  title: string,
  kind: string,
  all: readonly Change[],
  { limit, uniform }: DiffDetail,
): Block[] {
  if (all.length === 0) return [];
  const shown = limit === 0 ? all : all.slice(0, limit);
  const columns: Record<string, (change: Change) => Cell> = {
    [kind]: ({ name }) => ({ value: name, text: shorten(name) }),
    ...COLUMNS,
    ...(uniform && { kind: () => kind }),
  };
  const used = Object.entries(columns).filter(
    ([, cell]) => uniform || shown.some((change) => toFigure(cell(change)).value !== null),
  );
  const rows = shown.map((change) => used.map(([, cell]) => cell(change)));
  const left = all.length - shown.length;
  return [
    { title, table: { columns: used.map(([name]) => name), rows, optional: OPTIONAL } },
    ...(left > 0 ? [{ note: `and ${left} smaller changes; --limit 0 shows all` }] : []),
  ];
}

/** A growth with its sign; a terminal would not say otherwise which way it went. */
function signed(figure: Figure): Figure {
  const grew = typeof figure.value === 'number' && figure.value > 0;
  return grew ? { ...figure, text: `+${figure.text}` } : figure;
}
