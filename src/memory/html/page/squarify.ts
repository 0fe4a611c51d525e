/** Shares of the width and height of the map, 0 to 1. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * A squarified treemap: areas as the values are, cells as square as can be.
 * Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
 *
 * @param values from large to small, none negative; a zero gets an empty rectangle.
 * @param aspect width of the map over its height.
 */
export function squarify(values: readonly number[], aspect: number): Rectangle[] {
  const sum = values.reduce((all, value) => all + value, 0);
  const placed: Rectangle[] = [];
  // In units where the map is `aspect` wide and 1 high.
  const free = { x: 0, y: 0, width: aspect, height: 1 };
  const area = (value: number) => (sum > 0 ? (value / sum) * aspect : 0);
  for (let from = 0; from < values.length; ) {
    const side = Math.min(free.width, free.height);
    const row = rowFrom(values, from, side, area);
    const total = row.reduce((all, value) => all + area(value), 0);
    const depth = side > 0 ? total / side : 0;
    const upright = free.height <= free.width;
    let along = upright ? free.y : free.x;
    for (const value of row) {
      const length = depth > 0 ? area(value) / depth : 0;
      placed.push(
        upright
          ? { x: free.x, y: along, width: depth, height: length }
          : { x: along, y: free.y, width: length, height: depth },
      );
      along += length;
    }
    if (upright) {
      free.x += depth;
      free.width = Math.max(0, free.width - depth);
    } else {
      free.y += depth;
      free.height = Math.max(0, free.height - depth);
    }
    from += row.length;
  }
  return placed.map(({ x, width, ...rest }) => ({ x: x / aspect, width: width / aspect, ...rest }));
}

/** As many values as make the worst cell of a row no longer and thinner than without the last. */
function rowFrom(
  values: readonly number[],
  from: number,
  side: number,
  area: (value: number) => number,
): number[] {
  const row: number[] = [];
  let total = 0;
  let worst = Number.POSITIVE_INFINITY;
  for (const value of values.slice(from)) {
    const size = area(value);
    const largest = area(row[0] ?? value);
    const sum = total + size;
    const next = Math.max(
      (side * side * largest) / (sum * sum),
      (sum * sum) / (side * side * size),
    );
    if (row.length > 0 && !(next <= worst)) break;
    row.push(value);
    total = sum;
    worst = next;
  }
  return row;
}
