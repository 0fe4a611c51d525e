/** A worker of one queue. It ends with the process: what it has in hand then is taken up again later. */
export interface Consumer {
  /** Whether all that ends by itself has ended, so that only what hangs or is delayed is left. */
  settled(): Promise<boolean>;
}

/** Hears of every failure that is not a job's, such as a server that is away. */
export type OnError = (error: unknown) => void;
