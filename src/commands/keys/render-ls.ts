import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms } from '../../output/format.js';
import type { KeyItem, LsSummary } from './ls.js';
import { keyCell } from './targets.js';

/** Every column and its cell, in the order of the table. */
const COLUMNS: Record<string, (item: KeyItem) => Cell> = {
  key: ({ key }) => keyCell(key),
  type: ({ key_type }) => key_type ?? { value: '', text: 'not readable', tone: 'warn' },
  ttl: (item) => ttlCell(item),
  size: (item) => bytes(item.bytes),
  target: ({ target }) => target,
  db: ({ db }) => db,
};

/** On a terminal without the columns that say nothing; in a pipe every line has all of them. */
export function renderKeys(keys: readonly KeyItem[], terminal: boolean): Block[] {
  const sized = keys.some((item) => item.bytes !== null);
  const several = new Set(keys.map(({ target }) => target)).size > 1;
  const idle = [...(sized ? [] : ['size']), ...(several ? [] : ['target', 'db'])];
  const columns = Object.keys(COLUMNS).filter((name) => !terminal || !idle.includes(name));
  const rows = keys.map((item) => columns.map((name) => COLUMNS[name]?.(item)));
  return [{ table: { columns, rows, optional: ['db', 'target', 'type'] } }];
}

function ttlCell({ ttl_ms, readable }: KeyItem): Cell {
  if (ttl_ms !== null) return ms(ttl_ms);
  return readable ? { value: null, text: 'none', tone: 'warn' } : null;
}

export function renderLsSummary(summary: LsSummary): Block[] {
  const { pattern, literal, keys, looked_at, complete, unreadable, no_sizes, slots_moved } =
    summary;
  const found = keys === 0 ? 'No key' : `${count(keys).text} ${keys === 1 ? 'key' : 'keys'}`;
  const of =
    looked_at === null || literal
      ? ''
      : ` of ${complete ? '' : 'about '}${count(looked_at).text} looked at`;
  return [
    { note: `${found}${of}.${complete ? '' : ' There are more to look at: --limit 0 for all.'}` },
    ...(literal
      ? [
          {
            note: `"${pattern}" has no wildcard: only the key of exactly this name was looked for. All that begin so: '${pattern}*'`,
          },
        ]
      : []),
    ...(unreadable > 0 ? [hidden(unreadable)] : []),
    ...(no_sizes ? [sizeless()] : []),
    ...(slots_moved ? [moving()] : []),
  ];
}

/** Also for the other commands. */
export function hidden(keys: number): Block {
  const what = keys === 1 ? '1 key is' : `${count(keys).text} keys are`;
  return { note: `${what} not readable: the ACL of this user hides them.`, tone: 'warn' };
}

export function moving(): Block {
  return {
    note: 'Slots of the cluster moved meanwhile: keys of them may be missing, or come twice. Run it again afterwards.',
    tone: 'warn',
  };
}

export function sizeless(): Block {
  return {
    note: 'Sizes are unknown: MEMORY USAGE is not allowed to this user (+memory|usage), or not known to the server.',
    tone: 'warn',
  };
}
