import type { Rectangle } from './squarify.js';

const ARROWS = ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp'];

/**
 * The cell that a key leads to: Home and End to the largest and the smallest, an arrow to the one that
 * touches this side; of several the largest.
 *
 * @param cells from large to small.
 */
export function nextCell<Cell extends { box: Rectangle }>(
  key: string,
  from: Cell,
  cells: readonly Cell[],
): Cell | undefined {
  if (key === 'Home') return cells[0];
  if (key === 'End') return cells.at(-1);
  const turns = ARROWS.indexOf(key);
  if (turns < 0) return undefined;
  const start = turned(from.box, turns);
  let best: { cell: Cell; far: number } | undefined;
  for (const cell of cells) {
    const far = cell === from ? Number.POSITIVE_INFINITY : distance(start, turned(cell.box, turns));
    // Sides that touch differ by a rounding error.
    if (far < (best?.far ?? Number.POSITIVE_INFINITY) - 1e-6) best = { cell, far };
  }
  return best?.cell;
}

/** Turned so often by a right angle that the arrow points to the right. */
function turned(box: Rectangle, turns: number): Rectangle {
  const { x, y, width, height } = box;
  if (turns === 0) return box;
  return turned({ x: y, y: 1 - x - width, width: height, height: width }, turns - 1);
}

/** Infinite for what is not to the right; what is aside counts twice. */
function distance(from: Rectangle, to: Rectangle): number {
  const along = to.x - (from.x + from.width);
  if (along < -1e-6) return Number.POSITIVE_INFINITY;
  const below = to.y - (from.y + from.height);
  const above = from.y - (to.y + to.height);
  // Meeting in a corner only is not touching.
  const aside = Math.max(below, above) > -1e-6 ? Math.max(below, above, 0) + 1e-3 : 0;
  return Math.max(0, along) + 2 * aside;
}
