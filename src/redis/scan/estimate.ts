/** The command that tells a value's length, and about how many bytes each unit of it takes in memory. */
const LENGTHS: Record<string, { command: string; each: number }> = {
  string: { command: 'STRLEN', each: 1 },
  list: { command: 'LLEN', each: 32 },
  set: { command: 'SCARD', each: 56 },
  zset: { command: 'ZCARD', each: 80 },
  hash: { command: 'HLEN', each: 64 },
  stream: { command: 'XLEN', each: 64 },
};

/** Entry of the table, object header, headers of the name and the value. */
const OVERHEAD = 64;

/** The command that tells the length of a value of this type; undefined for a module's. */
export function lengthCommand(type: string): string | undefined {
  return LENGTHS[type]?.command;
}

/** About how many bytes a key takes, by its length alone: the order of magnitude, no more. */
export function estimateBytes(type: string, key: string, length: number): number {
  return OVERHEAD + key.length + length * (LENGTHS[type]?.each ?? 0);
}
