import { SIZE } from './sizes.js';

const KEY = SIZE.streamId;

/**
 * Counts the nodes of the radix tree (rax) of stream IDs that come in their order. A tree has a leaf for
 * each key, a node where keys part, and one for each run of bytes without a branch before either:
 * https://github.com/redis/redis/blob/7.0/src/rax.c
 */
export class RadixTree {
  #keys = 0;
  #nodes = 0;
  readonly #last = new Uint8Array(KEY);
  /** The depths at which the path to the last key branches, the deepest at the end. */
  readonly #branches: number[] = [];

  add(bytes: Uint8Array, at: number): void {
    let common = 0;
    while (common < KEY && bytes[at + common] === this.#last[common]) common += 1;
    if (this.#keys > 0) this.#close(common);
    for (let index = common; index < KEY; index += 1)
      this.#last[index] = bytes[at + index] as number;
    this.#keys += 1;
  }

  /** What MEMORY USAGE counts for the tree, see streamRadixTreeMemoryUsage; it is empty afterwards. */
  finish(): number {
    // An empty tree is its root.
    if (this.#keys === 0) return SIZE.raxNode;
    this.#close(-1);
    const bytes = this.#keys * SIZE.streamId + this.#nodes * SIZE.raxNode;
    this.#keys = 0;
    this.#nodes = 0;
    return bytes;
  }

  /** The last key is whole: the next one parts from it at `depth`. */
  #close(depth: number): void {
    let branch = this.#branches.at(-1) ?? -1;
    // The leaf, and what leads to it from the branch above.
    this.#count(KEY, Math.max(branch, depth));
    while (branch > depth) {
      this.#branches.pop();
      const above = this.#branches.at(-1) ?? -1;
      this.#count(branch, Math.max(above, depth));
      branch = above;
    }
    if (depth > branch) this.#branches.push(depth);
  }

  /** One node at `depth`, and one more when there are bytes between it and the branch above. */
  #count(depth: number, above: number): void {
    this.#nodes += depth - above > 1 ? 2 : 1;
  }
}
