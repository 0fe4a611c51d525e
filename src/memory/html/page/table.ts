import { el, say } from '../../../page/browser/dom.js';
import { countText } from '../../../words.js';

/** One column of a table that can be sorted. */
export interface Column<Row> {
  name: string;
  /** Words, at the left; numbers stand at the right. */
  text?: boolean;
  /** What rows are sorted by: numbers from large to small, names from a to z. */
  value(row: Row): number | string;
  cell(row: Row): Node | string;
}

export interface SortedTable<Row> {
  element: HTMLElement;
  show(rows: readonly Row[]): void;
  /** Sorts from here on by that column, in its first direction. */
  sortBy(column: string): void;
}

/** More rows than this are made when asked for. */
const PAGE = 50;

/** The first column is the name of the row. `titled`: the id of its heading. */
export function sortedTable<Row>(
  titled: string,
  columns: readonly Column<Row>[],
  started: string,
  onRow: (element: HTMLTableRowElement, row: Row) => void = () => {},
): SortedTable<Row> {
  let sorted = { name: started, turned: false };
  let rows: readonly Row[] = [];
  let limit = PAGE;
  const body = el('tbody');
  const more = el('button', { type: 'button', class: 'more' });
  const heads = columns.map(({ name, text }, index) => {
    const button = el('button', { type: 'button' }, name);
    button.addEventListener('click', () => {
      sorted = { name, turned: sorted.name === name && !sorted.turned };
      draw();
      say(`Sorted by ${name}, ${order(name)}`);
    });
    return el('th', { scope: 'col', class: index > 0 && !text ? 'number' : 'text' }, button);
  });
  more.addEventListener('click', () => {
    const first = limit;
    limit += PAGE * 4;
    draw();
    body.rows[first]?.querySelector<HTMLElement>('a, button')?.focus();
  });

  const isText = (name: string) => columns.find((one) => one.name === name)?.text === true;
  const order = (name: string) =>
    isText(name) !== sorted.turned ? ('ascending' as const) : ('descending' as const);

  function draw(): void {
    for (const [index, { name }] of columns.entries()) {
      if (name === sorted.name) heads[index]?.setAttribute('aria-sort', order(name));
      else heads[index]?.removeAttribute('aria-sort');
    }
    const column = columns.find(({ name }) => name === sorted.name);
    const sign = order(sorted.name) === 'ascending' ? 1 : -1;
    const ordered = column
      ? [...rows].sort((a, b) => sign * compare(column.value(a), column.value(b)))
      : rows;
    body.replaceChildren(...ordered.slice(0, limit).map(rowElement));
    const left = ordered.length - limit;
    more.hidden = left <= 0;
    more.textContent = `Show ${countText(Math.min(left, PAGE * 4))} more of ${countText(left)}`;
  }

  function rowElement(row: Row): HTMLTableRowElement {
    const [first, ...rest] = columns;
    const element = el(
      'tr',
      {},
      el('th', { scope: 'row' }, first ? first.cell(row) : null),
      ...rest.map((column) =>
        el('td', { class: column.text ? 'text' : 'number' }, column.cell(row)),
      ),
    );
    onRow(element, row);
    return element;
  }

  return {
    element: el(
      'div',
      {},
      el(
        'div',
        { class: 'scroll', tabindex: 0, role: 'group', 'aria-labelledby': titled },
        el('table', {}, el('thead', {}, el('tr', {}, ...heads)), body),
      ),
      more,
    ),
    show(next) {
      rows = next;
      limit = PAGE;
      draw();
    },
    sortBy(name) {
      sorted = { name, turned: false };
    },
  };
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : Number(String(a) > String(b));
}
