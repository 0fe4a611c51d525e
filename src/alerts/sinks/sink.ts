import type { Alert, Notification } from '../notification.js';

/** What one delivery holds. Most sinks get one message at a time; a digest has several. */
export interface Delivery {
  /** Oldest first, never empty. */
  notifications: readonly Notification[];
  /** Earlier messages that this sink never got and will not get: its queue was full, or it refused them. */
  lost: number;
}

/** All that fires at a moment, told or repeated: for sinks that keep a state rather than get messages. */
export interface Standing {
  /** ISO time of the evaluation. */
  at: string;
  estate: string;
  environment: string;
  alerts: readonly Alert[];
}

/** What limits one attempt. */
export interface Attempt {
  /** Aborted by the time-out and by the end of the program. */
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now: number;
}

/** One place that alerts are told to. Each method makes one attempt, and throws a DeliveryFailure. */
export interface Sink {
  readonly name: string;
  /** At most `posts` deliveries in `per` ms. `digest`: the last of them takes as many messages as that. */
  readonly rate?: { posts: number; per: number; digest?: number };
  /** Delivers messages; resolves to what the other side said. Left out where only `show` counts. */
  send?(delivery: Delivery, attempt: Attempt): Promise<string>;
  /** Replaces what the other side holds to be firing. */
  show?(standing: Standing, attempt: Attempt): Promise<string>;
  /** Says without side effects whether it would work; `send` is the test where it is left out. */
  test?(): Promise<string>;
}

/**
 * Why a delivery failed. `refused`: the other side will never take this message, such as 400 or 413.
 * `failed`: it may later; wrong credentials too, since somebody will put them right.
 */
export class DeliveryFailure extends Error {
  override readonly name = 'DeliveryFailure';

  constructor(
    readonly kind: 'refused' | 'failed',
    message: string,
    /** Milliseconds that the other side asked to wait. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}
