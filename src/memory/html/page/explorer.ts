import { bar, byId, el, nameOf, say } from '../../../page/browser/dom.js';
import { bytesText, countText, percentText } from '../../../words.js';
import { COLOURS, type Colour, legend, shareWithoutTtl } from './colour.js';
import { type Group, levelOf, pathTo, SIZES, type Size, type Tree } from './groups.js';
import { describe, treeMap } from './map.js';
import { hashOf, type Place, readPlace } from './place.js';
import { type Column, sortedTable } from './table.js';

const SIZE_COLUMN: Record<Size, string> = { bytes: 'Bytes', keys: 'Keys', 'no-ttl': 'Without TTL' };

/** The map of groups and the table below it: two views of one level. */
export function explorer(tree: Tree): void {
  let place = readPlace(tree, location.hash);
  const rowOf = new Map<Group, HTMLElement>();
  const path = el('ol');
  const legendList = el('ul', { class: 'legend', 'aria-label': 'Colours' });
  const readout = el('p', { class: 'readout', 'aria-hidden': 'true' });
  const map = treeMap(point);
  const table = sortedTable(
    'level-title',
    columns(() => place),
    SIZE_COLUMN[place.size],
    onRow,
  );
  const size = choice('Area', 'size', SIZES, (value) => change({ size: value }));
  const colour = choice('Colour', 'colour', COLOURS, (value) => change({ colour: value }));
  const heading = el('h3', { id: 'level-title' });
  byId('groups').append(
    el('h2', { id: 'groups-title' }, 'Where the bytes are'),
    el('div', { class: 'controls' }, size.element, colour.element),
    el('nav', { 'aria-label': 'Place in the tree' }, path),
    map.element,
    legendList,
    readout,
    el(
      'p',
      { id: 'map-help', class: 'help' },
      'Arrow keys move, Enter opens a group, Escape or Backspace goes back up.',
    ),
    heading,
    table.element,
  );

  /** Shows one group in both views, and its figures below the map. */
  function point(group: Group | null): void {
    readout.textContent = '';
    readout.append(el('span', {}, describe(group ?? place.group, place)));
    map.mark(group);
    for (const [one, row] of rowOf) row.classList.toggle('marked', one === group);
  }

  function onRow(row: HTMLElement, group: Group): void {
    rowOf.set(group, row);
    row.addEventListener('pointerenter', () => point(group));
    row.addEventListener('pointerleave', () => point(null));
  }

  function change(to: Partial<Place>): void {
    if (to.size) table.sortBy(SIZE_COLUMN[to.size]);
    place = { ...place, ...to };
    history.replaceState(null, '', hashOf(place));
    show();
  }

  function go(group: Group): void {
    location.hash = hashOf({ ...place, group });
  }

  function show(): void {
    size.set(place.size);
    colour.set(place.colour);
    path.replaceChildren(...pathTo(place.group).map((group) => step(group, place)));
    legendList.className = `legend ${place.colour}`;
    legendList.replaceChildren(
      ...legend(place.colour).map((text, index) =>
        el('li', {}, el('span', { class: `swatch step${index + 1} ${place.colour}` }), text),
      ),
    );
    rowOf.clear();
    const level = levelOf(place.group, place.size);
    const { parent, pattern, label } = place.group;
    heading.replaceChildren('Groups of ', parent ? nameOf(pattern || label) : 'all keys');
    table.show(level.length > 0 ? level : [place.group]);
    map.show(place);
    point(null);
  }

  addEventListener('hashchange', () => {
    const before = place;
    place = readPlace(tree, location.hash);
    if (before.size !== place.size) table.sortBy(SIZE_COLUMN[place.size]);
    const inMap = map.element.contains(document.activeElement);
    const inPage = document.activeElement !== null && document.activeElement !== document.body;
    show();
    say(describe(place.group, place));
    // What had the focus is gone with its level: the map takes it, at the group that was left.
    if (inMap) map.focus(pathTo(before.group).find(({ parent }) => parent === place.group));
    else if (inPage && document.activeElement === document.body) map.focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (event.key !== 'Escape' && event.key !== 'Backspace') return;
    if (event.target instanceof Element && event.target.closest('input, select, textarea')) return;
    if (!place.group.parent) return;
    event.preventDefault();
    go(place.group.parent);
  });
  new ResizeObserver(() => redrawn()).observe(map.element);
  show();

  let width = map.element.clientWidth;
  function redrawn(): void {
    if (map.element.clientWidth === width) return;
    width = map.element.clientWidth;
    const focused = map.element.contains(document.activeElement);
    map.show(place);
    if (focused) map.focus();
  }
}

function step(group: Group, place: Place): HTMLElement {
  if (group === place.group) return el('li', { 'aria-current': 'page' }, title(group));
  return el('li', {}, el('a', { href: hashOf({ ...place, group }) }, title(group)));
}

function title(group: Group): Node {
  return group.parent ? nameOf(group.label) : document.createTextNode(group.label);
}

function columns(place: () => Place): Column<Group>[] {
  const share = (group: Group) => group.bytes / (place().group.bytes || 1);
  return [
    {
      name: 'Group',
      text: true,
      value: (group) => group.label,
      cell: (group) =>
        group.children.length > 0 && group !== place().group
          ? el('a', { href: hashOf({ ...place(), group }) }, nameOf(group.label))
          : nameOf(group.label),
    },
    {
      name: 'Bytes',
      value: ({ bytes }) => bytes,
      cell: ({ bytes, between }) =>
        between
          ? ranged(bytesText(bytes), bytesText(between[2]), bytesText(between[3]))
          : bytesText(bytes),
    },
    {
      name: 'Share',
      value: share,
      cell: (group) => el('span', { class: 'share' }, bar(share(group)), percentText(share(group))),
    },
    {
      name: 'Keys',
      value: ({ keys }) => keys,
      cell: ({ keys, between }) =>
        between
          ? ranged(countText(keys), countText(between[0]), countText(between[1]))
          : countText(keys),
    },
    { name: 'Average', value: ({ average }) => average, cell: ({ average }) => bytesText(average) },
    { name: 'p99', value: ({ p99 }) => p99 ?? -1, cell: ({ p99 }) => known(p99) },
    { name: 'Largest', value: ({ max }) => max ?? -1, cell: ({ max }) => known(max) },
    {
      name: 'Without TTL',
      value: ({ noTtlBytes }) => noTtlBytes,
      cell: (group) => `${bytesText(group.noTtlBytes)} (${percentText(shareWithoutTtl(group))})`,
    },
  ];
}

function ranged(value: string, low: string, high: string): HTMLElement {
  return el('span', {}, value, el('small', {}, `${low} to ${high}`));
}

function known(bytes: number | null): string {
  return bytes === null ? '-' : bytesText(bytes);
}

/** One of a few words, as buttons of which one is pressed. */
function choice<Name extends Size | Colour>(
  label: string,
  name: string,
  words: Record<Name, string>,
  chosen: (name: Name) => void,
): { element: HTMLElement; set(name: Name): void } {
  const inputs = (Object.keys(words) as Name[]).map((value) => {
    const input = el('input', { type: 'radio', name, value });
    input.addEventListener('change', () => chosen(value));
    return input;
  });
  const labels = inputs.map((input) =>
    el('label', {}, input, el('span', {}, words[input.value as Name])),
  );
  return {
    element: el('fieldset', { class: 'choice' }, el('legend', {}, label), ...labels),
    set(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}
