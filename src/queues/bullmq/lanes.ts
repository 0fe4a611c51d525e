/** A list that is worked through; `take` begins its next chunk. */
type Take = () => Promise<void> | undefined;

/**
 * Works through lists of items in chunks, so many of them on their way at once, whatever list they are
 * of. A list begun earlier comes first: it ends while the next one is on its way already.
 */
export class Lanes {
  readonly #lists: Take[] = [];

  constructor(private free: number) {}

  /**
   * The answers in the order of the items. Rejects with the first failure; then no other chunk of the
   * list is begun.
   */
  over<Item, Answer>(
    items: readonly Item[],
    size: number,
    work: (chunk: readonly Item[]) => Promise<Answer[]>,
  ): Promise<Answer[]> {
    const answers: Answer[][] = [];
    let next = 0;
    let ended = 0;
    const all = new Promise<Answer[]>((resolve, reject) => {
      if (items.length === 0) resolve([]);
      this.#lists.push(() => {
        if (next >= items.length) return undefined;
        const from = next;
        next += size;
        return work(items.slice(from, next))
          .then((some) => {
            answers[from / size] = some;
            ended += some.length;
            if (ended === items.length) resolve(answers.flat());
          })
          .catch((error) => {
            next = items.length;
            reject(error);
          });
      });
    });
    while (this.free > 0 && this.#begin()) this.free -= 1;
    return all;
  }

  #begin(): boolean {
    const first = this.#take();
    if (first) void this.#lane(first);
    return first !== undefined;
  }

  async #lane(first: Promise<void>): Promise<void> {
    for (let work: Promise<void> | undefined = first; work; work = this.#take()) await work;
    this.free += 1;
  }

  #take(): Promise<void> | undefined {
    for (let [list] = this.#lists; list; [list] = this.#lists) {
      const work = list();
      if (work) return work;
      this.#lists.shift();
    }
    return undefined;
  }
}
