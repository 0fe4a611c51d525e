/** A queue's keys are `<prefix>:<queue>:<part>`; the queue's name may hold colons in older estates. */
export const key = (prefix: string, queue: string, part: string) => `${prefix}:${queue}:${part}`;

/** The queue's name in a `meta` key under a known prefix. */
export function queueOf(prefix: string, metaKey: string): string {
  return metaKey.slice(prefix.length + 1, -':meta'.length);
}

/** The name that a worker's connection has in CLIENT LIST: alone, or followed by `:w:<worker>`. */
export function workerName(prefix: string, queue: string): string {
  return `${prefix}:${Buffer.from(queue).toString('base64')}`;
}

/** A text that a SCAN pattern takes literally. */
export function literal(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
