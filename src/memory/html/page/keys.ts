import { byId, el, nameOf, say } from '../../../page/browser/dom.js';
import { age, bytesText, countText, spanText } from '../../../words.js';
import type { PageData, PageKey } from '../data.js';
import { type Column, sortedTable } from './table.js';

/** The largest keys: of all, or of one type. */
export function topKeys({ keys, top, byType }: PageData): void {
  const of = (places: readonly number[]) => places.flatMap((place) => keys[place] ?? []);
  const lists = new Map([
    ['', of(top)],
    ...byType.map(([type, places]) => [type, of(places)] as const),
  ]);
  const table = sortedTable('keys-title', columns(keys), 'Bytes');
  const type = el(
    'select',
    {},
    el('option', { value: '' }, 'All types'),
    ...byType.map(([name]) => el('option', {}, name)),
  );
  const text = el('input', { type: 'search', spellcheck: 'false', autocomplete: 'off' });
  const found = el('p', { class: 'found', role: 'status' });
  byId('keys').append(
    el('h2', { id: 'keys-title' }, 'Largest keys'),
    el(
      'div',
      { class: 'controls' },
      el('label', { class: 'field' }, el('span', {}, 'Type'), type),
      el('label', { class: 'field' }, el('span', {}, 'Name contains'), text),
      found,
    ),
    table.element,
  );
  function show(): void {
    const chosen = type.selectedIndex < 1 ? '' : byType[type.selectedIndex - 1]?.[0];
    const list = lists.get(chosen ?? '') ?? [];
    const wanted = text.value.toLowerCase();
    const rows = list.filter(({ key }) => key.toLowerCase().includes(wanted));
    found.textContent = `${countText(rows.length)} of ${countText(list.length)} keys`;
    table.show(rows);
  }
  type.addEventListener('change', show);
  text.addEventListener('input', show);
  show();
}

/** Only the columns that say something of these keys. */
function columns(keys: readonly PageKey[]): Column<PageKey>[] {
  const column = (
    name: string,
    value: (key: PageKey) => number | string | null,
    words: (value: never) => string = String,
    always = false,
  ): Column<PageKey>[] => {
    if (!always && keys.every((key) => value(key) === null)) return [];
    const cell = (key: PageKey) => {
      const known = value(key);
      return known === null ? '-' : words(known as never);
    };
    const text = keys.some((key) => typeof value(key) === 'string');
    return [{ name, text, value: (key) => value(key) ?? (text ? '' : -1), cell }];
  };
  const several = (of: (key: PageKey) => unknown) => new Set(keys.map(of)).size > 1;
  return [
    { name: 'Key', text: true, value: ({ key }) => key, cell: keyCell },
    ...column('Bytes', ({ bytes }) => bytes, bytesText, true),
    ...column('Type', ({ type, encoding }) => (encoding ? `${type} (${encoding})` : type)),
    ...column('Elements', ({ elements }) => elements, countText),
    {
      name: 'TTL',
      // Never is longer than any other.
      value: ({ ttl_ms: ttl }) => ttl ?? Number.MAX_VALUE,
      cell: ({ ttl_ms: ttl }) => (ttl === null ? 'none' : spanText(ttl)),
    },
    ...column('Idle', ({ idle_s: idle }) => idle, age),
    ...column('Frequency', ({ frequency }) => frequency, countText),
    ...(several(({ db }) => db) ? column('Database', ({ db }) => db) : []),
    ...(several(({ server }) => server) ? column('Server', ({ server }) => server) : []),
  ];
}

function keyCell(key: PageKey): HTMLElement {
  const name = nameOf(key.key);
  name.title = name.textContent ?? '';
  if (key.cut !== undefined)
    return el(
      'span',
      { class: 'key' },
      name,
      el('small', {}, `the start of ${countText(key.cut)} characters`),
    );
  const binary = key.key_base64 !== undefined;
  const copy = el(
    'button',
    {
      type: 'button',
      class: 'copy',
      'aria-label': `Copy ${binary ? 'as base64 ' : ''}${key.key}`,
    },
    binary ? 'Copy base64' : 'Copy',
  );
  copy.addEventListener('click', () => void copied(key.key_base64 ?? key.key, copy));
  return el('span', { class: 'key' }, name, copy);
}

async function copied(text: string, button: HTMLButtonElement): Promise<void> {
  // There is no clipboard for a page that came over plain HTTP.
  const written = navigator.clipboard?.writeText(text) ?? Promise.reject();
  const done = await written.then(
    () => true,
    () => copiedByHand(text, button),
  );
  say(done ? 'Copied' : 'The browser did not allow copying');
  const before = button.textContent;
  button.textContent = done ? 'Copied' : 'Not allowed';
  button.disabled = true;
  setTimeout(() => {
    button.textContent = before;
    button.disabled = false;
  }, 1_200);
}

/** The old way, for where the clipboard is not to be had. */
function copiedByHand(text: string, button: HTMLElement): boolean {
  const area = el('textarea', { class: 'unseen' });
  area.value = text;
  button.after(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  button.focus();
  return done;
}
