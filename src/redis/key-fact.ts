/** Types of values that Redis and Valkey have; a module's has the name that TYPE says (`ReJSON-RL`). */
export const VALUE_TYPES = ['string', 'list', 'set', 'zset', 'hash', 'stream'] as const;

/**
 * What is known of one key. The producer may use one object for all keys: whoever gets it reads what
 * it needs and keeps no reference.
 */
export interface KeyFact {
  db: number;
  /** Its bytes, one latin1 character each: keys need not be UTF-8. */
  key: string;
  /** One of VALUE_TYPES, or a module's type. */
  type: string;
  /** Memory in bytes, key and overhead included, as MEMORY USAGE counts or an estimate of it. */
  bytes: number;
  /** Milliseconds to live; null when it never expires. */
  ttl_ms: number | null;
  /** Null where it was not asked for; a live scan asks for these only of the keys that it reports. */
  encoding: string | null;
  elements: number | null;
  idle_s: number | null;
  /** The logarithmic counter of the lfu policies. */
  frequency: number | null;
}

/** A fact of which nothing is known yet. */
export function emptyFact(db = 0): KeyFact {
  return {
    db,
    key: '',
    type: '',
    bytes: 0,
    ttl_ms: null,
    encoding: null,
    elements: null,
    idle_s: null,
    frequency: null,
  };
}

/** Takes every key that a scan or a file yields. */
export interface KeySink {
  add(fact: Readonly<KeyFact>): void;
  /** A key of which nothing could be found out: gone, hidden by the ACL, or on another node of the cluster. */
  skip?(key: string, why: 'vanished' | 'unreadable' | 'moved'): void;
}
