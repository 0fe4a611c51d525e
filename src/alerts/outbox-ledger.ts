import * as z from 'zod/mini';
import { writeDurably } from '../state/folder.js';
import { type LinesFile, linesOf, openLines } from '../state/lines.js';
import type { Notification } from './notification.js';

/** Messages that may wait for one sink. */
export const MOST_WAITING = 1_000;
/** Ids that are remembered, so that a message that is added again is not sent again. */
const MOST_KNOWN = 5_000;
/** The file is written anew when it has more lines than that, and than four times what waits. */
const MANY_LINES = 2_000;
/** No sink has a longer window in which its posts are counted, in ms. */
const LONGEST_WINDOW = 120_000;

/**
 * What is to be delivered, on disk: a file to which each event adds a line, so that a kill at any moment
 * loses nothing. Read once, at the start; after that the memory holds the same.
 */
export interface Ledger {
  /** Oldest first. */
  waiting(sink: string): readonly Notification[];
  /** Messages that the sink never got, and that it has not been told of yet. */
  lost(sink: string): number;
  /** When something was posted in the last two minutes, in ms since 1970, also by a process before. */
  posted(sink: string): readonly number[];
  sinks(): string[];
  /**
   * A message for these sinks; on disk when it resolves. One with a known id is ignored.
   * Resolves to the sinks for which another one was given up for it.
   */
  add(notification: Notification, sinks: readonly string[]): Promise<string[]>;
  /** They have been delivered, and with them it was told what was lost. */
  done(sink: string, ids: readonly string[]): void;
  giveUp(sink: string, ids: readonly string[]): void;
  notePost(sink: string, at: number): void;
  close(): void;
}

const line = z.union([
  z.object({ add: z.custom<Notification>(isNotification), sinks: z.array(z.string()) }),
  z.object({ done: z.array(z.string()), sink: z.string() }),
  z.object({ lost: z.array(z.string()), sink: z.string(), count: z.number() }),
  z.object({ posted: z.number(), sink: z.string() }),
  z.object({ known: z.array(z.string()) }),
]);
type Line = z.infer<typeof line>;

function isNotification(value: unknown): boolean {
  const { id, alerts } = (value ?? {}) as Partial<Notification>;
  return typeof id === 'string' && Array.isArray(alerts);
}

/** `problem` is told once when lines cannot be written: delivery goes on from memory, and they are made up for. */
export async function openLedger(
  path: string,
  { problem }: { problem: (error: unknown) => void },
): Promise<Ledger> {
  const ledger = new FileLedger(path, problem);
  await ledger.read();
  return ledger;
}

class FileLedger implements Ledger {
  readonly #queues = new Map<string, Notification[]>();
  readonly #lost = new Map<string, number>();
  readonly #posted = new Map<string, number[]>();
  readonly #known = new Set<string>();
  readonly #order = new WeakMap<Notification, number>();
  #added = 0;
  #file: LinesFile<Line> | undefined;
  #lines = 0;
  /** Something that is in memory could not be written: the file has to be written as a whole. */
  #isBehind = false;
  /** Of the file that is open: it must not be closed under them. */
  #syncs = 0;

  constructor(
    readonly path: string,
    readonly problem: (error: unknown) => void,
  ) {}

  async read(): Promise<void> {
    try {
      for await (const lines of linesOf(this.path)) for (const text of lines) this.#recall(text);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    }
    this.#rewrite();
  }

  waiting(sink: string): readonly Notification[] {
    return this.#queues.get(sink) ?? [];
  }

  lost(sink: string): number {
    return this.#lost.get(sink) ?? 0;
  }

  posted(sink: string): readonly number[] {
    return this.#posted.get(sink) ?? [];
  }

  sinks(): string[] {
    return [...this.#queues.keys()];
  }

  async add(notification: Notification, sinks: readonly string[]): Promise<string[]> {
    if (this.#known.has(notification.id)) return [];
    this.#write({ add: notification, sinks: [...sinks] });
    const full = sinks.filter((sink) => {
      const surplus = surplusOf(this.waiting(sink));
      if (surplus) this.giveUp(sink, [surplus.id]);
      return surplus;
    });
    this.#syncs += 1;
    try {
      await this.#file?.sync();
    } catch (error) {
      this.#fallBehind(error);
    } finally {
      this.#syncs -= 1;
    }
    return full;
  }

  done(sink: string, ids: readonly string[]): void {
    this.#write({ done: [...ids], sink });
  }

  giveUp(sink: string, ids: readonly string[]): void {
    this.#write({ lost: [...ids], sink, count: ids.length });
  }

  notePost(sink: string, at: number): void {
    this.#write({ posted: at, sink });
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #recall(text: string): void {
    if (text === '') return;
    try {
      const { data } = line.safeParse(JSON.parse(text));
      if (data) this.#apply(data);
    } catch {
      // A line that a kill has cut off: what it was to say had not been promised yet.
    }
  }

  #write(event: Line): void {
    this.#apply(event);
    try {
      const waiting = this.sinks().reduce((sum, sink) => sum + this.waiting(sink).length, 0);
      const isLong = this.#lines > Math.max(MANY_LINES, 4 * waiting);
      if ((isLong || this.#isBehind) && this.#syncs === 0) this.#rewrite();
      else this.#append(event);
    } catch (error) {
      this.#fallBehind(error);
    }
  }

  #append(event: Line): void {
    this.#file?.write([event]);
    this.#lines += 1;
  }

  #fallBehind(error: unknown): void {
    if (!this.#isBehind) this.problem(error);
    this.#isBehind = true;
  }

  #apply(event: Line): void {
    if ('known' in event) this.#remember(event.known);
    else if ('add' in event) {
      this.#remember([event.add.id]);
      this.#added += 1;
      this.#order.set(event.add, this.#added);
      for (const sink of event.sinks) push(this.#queues, sink, event.add);
    } else if ('posted' in event) {
      const { sink, posted } = event;
      const recent = this.posted(sink).filter((at) => at > posted - LONGEST_WINDOW);
      this.#posted.set(sink, [...recent, posted]);
    } else {
      const ids = new Set('done' in event ? event.done : event.lost);
      const rest = this.waiting(event.sink).filter(({ id }) => !ids.has(id));
      this.#queues.set(event.sink, rest);
      this.#lost.set(event.sink, 'done' in event ? 0 : this.lost(event.sink) + event.count);
    }
  }

  #remember(ids: readonly string[]): void {
    for (const id of ids) this.#known.add(id);
    for (const id of this.#known) {
      if (this.#known.size <= MOST_KNOWN) break;
      this.#known.delete(id);
    }
  }

  /** What waits anywhere, in the order in which it came: another order for one sink would be a lie. */
  #unsent(): { add: Notification; sinks: string[] }[] {
    const sinks = new Map<Notification, string[]>();
    for (const [sink, queue] of this.#queues) for (const add of queue) push(sinks, add, sink);
    const order = (notification: Notification) => this.#order.get(notification) ?? 0;
    return [...sinks]
      .map(([add, names]) => ({ add, sinks: names }))
      .sort((a, b) => order(a.add) - order(b.add));
  }

  /** Only what still counts. */
  #rewrite(): void {
    const lines: Line[] = [{ known: [...this.#known] }, ...this.#unsent()];
    for (const [sink, count] of this.#lost) if (count > 0) lines.push({ lost: [], sink, count });
    for (const [sink, times] of this.#posted)
      lines.push(...times.map((posted) => ({ posted, sink })));
    writeDurably(this.path, lines.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    this.#file?.close();
    this.#file = openLines(this.path);
    this.#lines = lines.length;
    this.#isBehind = false;
  }
}

/** What has to go when a queue is full: a repetition, which says nothing new, or else the oldest. The first may be on its way. */
function surplusOf(queue: readonly Notification[]): Notification | undefined {
  if (queue.length <= MOST_WAITING) return undefined;
  const [, ...others] = queue;
  return others.find(({ kind }) => kind === 'repeat') ?? others[0];
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
