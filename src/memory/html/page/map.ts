import { el, nameOf } from '../../../page/browser/dom.js';
import { bytesText, countText, percentText } from '../../../words.js';
import { type Colour, colourText, stepOf } from './colour.js';
import { type Group, levelOf, type Size, sizeOf, together } from './groups.js';
import { nextCell } from './navigate.js';
import { hashOf, type Place } from './place.js';
import { type Rectangle, squarify } from './squarify.js';

/** Smaller groups than the first so many share one cell: nobody can hit it otherwise. */
const CELLS = 120;
/** Outlines of what is inside a cell: the largest few give an idea. */
const INSIDE = 24;

export interface TreeMap {
  element: HTMLElement;
  show(place: Place): void;
  /** Marks the cell of a group. */
  mark(group: Group | null): void;
  focus(group?: Group): void;
}

/** `onCell` is called with what the pointer or the focus is on, null for nothing. */
export function treeMap(onCell: (group: Group | null) => void): TreeMap {
  const element = el('div', {
    id: 'map',
    role: 'group',
    'aria-describedby': 'map-help',
  });
  let cells: { group: Group; box: Rectangle; node: HTMLElement }[] = [];

  function show(place: Place): void {
    const { width, height } = element.getBoundingClientRect();
    const shown = shownIn(place);
    const boxes = squarify(
      shown.map((group) => sizeOf(group, place.size)),
      width / height || 1,
    );
    element.setAttribute('aria-label', `Map of ${place.group.label}`);
    cells = shown.map((group, index) => {
      const box = boxes[index] as Rectangle;
      return { group, box, node: cell(place, group, box, { width, height }) };
    });
    cells[0]?.node.setAttribute('tabindex', '0');
    element.replaceChildren(...cells.map(({ node }) => node));
    if (cells.length === 0) element.append(el('p', { class: 'nothing' }, emptyText(place)));
  }

  function mark(group: Group | null): void {
    for (const one of cells) one.node.classList.toggle('marked', one.group === group);
  }

  function focus(group?: Group): void {
    const found = cells.find((one) => one.group === group) ?? cells[0];
    if (!found) return;
    for (const { node } of cells) node.setAttribute('tabindex', node === found.node ? '0' : '-1');
    found.node.focus();
  }

  const under = (event: Event) => {
    const node = event.target instanceof Element ? event.target.closest('.cell') : null;
    return cells.find((one) => one.node === node);
  };
  element.addEventListener('focusin', (event) => onCell(under(event)?.group ?? null));
  element.addEventListener('pointerover', (event) => onCell(under(event)?.group ?? null));
  element.addEventListener('pointerleave', () => onCell(null));
  element.addEventListener('keydown', (event) => {
    const from = under(event);
    if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = nextCell(event.key, from, cells);
    if (!to) return;
    event.preventDefault();
    focus(to.group);
  });
  return { element, show, mark, focus };
}

function shownIn({ group, size }: Place): Group[] {
  const level = levelOf(group, size).filter((one) => sizeOf(one, size) > 0);
  if (group.children.length === 0 && sizeOf(group, size) > 0) return [group];
  if (level.length <= CELLS + 1) return level;
  const small = level.slice(CELLS);
  return [
    ...level.slice(0, CELLS),
    together(`${countText(small.length)} smaller groups`, group, small),
  ].sort((a, b) => sizeOf(b, size) - sizeOf(a, size));
}

function emptyText({ group, size }: Place): string {
  return group.keys > 0 && size === 'no-ttl' ? 'Every key here has a TTL.' : 'No keys.';
}

/** Pixels of the whole map. */
interface Extent {
  width: number;
  height: number;
}

function cell(place: Place, group: Group, box: Rectangle, whole: Extent): HTMLElement {
  const opens = group !== place.group && group.children.length > 0;
  const width = box.width * whole.width;
  const height = box.height * whole.height;
  const said = describe(group, place);
  const node = el(opens ? 'a' : 'div', {
    class: `cell step${stepOf(group, place.colour)} ${place.colour}${opens ? ' opens' : ''}`,
    tabindex: -1,
    role: opens ? null : 'img',
    href: opens ? hashOf({ ...place, group }) : null,
    // A link is named by what is in it.
    'aria-label': opens ? null : said,
    title: said,
  });
  position(node, box);
  node.append(...label(place, group, width, height));
  if (group.children.length > 1 && width > 120 && height > 110)
    node.append(inside(group, place, (width - 16) / (height - 84)));
  return node;
}

/** The lines of a cell. Those that do not fit are there too, for those who hear them. */
function label(place: Place, group: Group, width: number, height: number): HTMLElement[] {
  const name = nameOf(group.label);
  const lines = [
    name,
    el('span', {}, figureText(place, group)),
    el('span', {}, colourText(group, place.colour)),
    el('span', {}, details(group)),
  ];
  // Three letters of a name say nothing; mono letters are about 8 pixels wide.
  const cut = width < 84 && group.label.length * 8 > width - 18;
  const high = Math.min(3, Math.max(1, Math.floor((height - 10) / 18)));
  const fit = cut || width < 30 || height < 26 ? 0 : width < 84 ? 1 : high;
  for (const [index, line] of lines.entries()) line.classList.add(index < fit ? 'words' : 'unseen');
  if (fit > 0) name.classList.add('label');
  return lines;
}

function figureText({ size, group: whole }: Place, group: Group): string {
  const value = sizeOf(group, size);
  const share = percentText(value / (sizeOf(whole, size) || 1));
  return `${size === 'keys' ? countText(value) : bytesText(value)} · ${share}`;
}

function inside(group: Group, { size, colour }: Place, aspect: number): HTMLElement {
  const all = levelOf(group, size).filter((one) => sizeOf(one, size) > 0);
  const few = all.slice(0, INSIDE);
  if (all.length > INSIDE) few.push(together('', group, all.slice(INSIDE)));
  few.sort((a, b) => sizeOf(b, size) - sizeOf(a, size));
  const sizes = few.map((one) => sizeOf(one, size));
  const outlines = squarify(sizes, aspect).map((box, index) => {
    const outline = el('i', { class: `step${stepOf(few[index] as Group, colour)} ${colour}` });
    position(outline, box);
    return outline;
  });
  return el('span', { class: 'inside', 'aria-hidden': 'true' }, ...outlines);
}

function position(node: HTMLElement, { x, y, width, height }: Rectangle): void {
  node.style.left = `${x * 100}%`;
  node.style.top = `${y * 100}%`;
  node.style.width = `${width * 100}%`;
  node.style.height = `${height * 100}%`;
}

/** One sentence with all that is known of a group. */
export function describe(
  group: Group,
  place: { group: Group; colour: Colour; size: Size },
): string {
  const share = percentText(sizeOf(group, place.size) / (sizeOf(place.group, place.size) || 1));
  return [
    `${group.pattern || group.label}: ${bytesText(group.bytes)}`,
    `${share} of this level`,
    details(group),
    colourText(group, 'ttl'),
  ].join(', ');
}

function details(group: Group): string {
  return [
    `${countText(group.keys)} keys`,
    `average ${bytesText(group.average)}`,
    ...(group.p99 === null ? [] : [`p99 ${bytesText(group.p99)}`]),
    ...(group.max === null ? [] : [`largest ${bytesText(group.max)}`]),
  ].join(', ');
}
