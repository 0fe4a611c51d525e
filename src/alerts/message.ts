import { printable } from '../words.js';
import type { Alert, Notification } from './notification.js';

// What people read of alerts. Pure. Names and values come from servers: they are made printable here,
// and each sink escapes them for its own markup.

const MARK = { firing: '', repeat: 'STILL ', resolved: 'RESOLVED', test: 'TEST' } as const;

/** One line: `CRITICAL ai-clinical/production: memory redis:main (and 2 more)`. */
export function titleOf({ kind, estate, environment, alerts }: Notification): string {
  const severity = alerts.some(({ severity }) => severity === 'critical') ? 'CRITICAL' : 'WARN';
  const mark = kind === 'firing' || kind === 'repeat' ? MARK[kind] + severity : MARK[kind];
  const [first] = alerts;
  const more = alerts.length > 1 ? ` (and ${alerts.length - 1} more)` : '';
  return printable(
    `${mark} ${estate}/${environment}: ${first?.rule ?? ''} ${first?.target ?? ''}${more}`,
  );
}

/** The lines of one alert: what is the case, since when, and what to do. */
export function alertLines(alert: Alert): string[] {
  const resolved = alert.state === 'resolved';
  const mark = resolved ? 'RESOLVED' : alert.severity.toUpperCase();
  const time = resolved && alert.endedAt ? `until ${alert.endedAt}` : `since ${alert.startedAt}`;
  return [
    `${mark} ${alert.rule} ${alert.target}: ${alert.summary}`,
    `  ${time}`,
    ...(resolved ? [] : [`  to do: ${alert.action}`]),
  ].map(printable);
}

/** What is said of messages that a sink never got. */
export function lostLine(lost: number): string[] {
  if (lost === 0) return [];
  return [
    `${lost} earlier ${lost === 1 ? 'message' : 'messages'} could not be delivered here: the queue was full, or they were refused.`,
  ];
}

/**
 * Text of `head` and as many parts as fit into `limit` bytes of UTF-8; the rest is counted, never cut silently.
 * A single part that is too long is cut.
 */
export function fitted(
  head: readonly string[],
  parts: readonly string[],
  limit: number,
  separator = '\n',
): string {
  const whole = [...head, ...parts].join(separator);
  if (Buffer.byteLength(whole) <= limit) return whole;
  const room = limit - RESERVED;
  let text = cut(head.join(separator), room);
  let taken = 0;
  for (const part of parts) {
    const longer = text + separator + part;
    // The first one is cut rather than left out.
    if (taken > 0 && Buffer.byteLength(longer) > room) break;
    text = cut(longer, room);
    taken += 1;
  }
  const rest = parts.length - taken;
  return rest > 0 ? `${text}${separator}… and ${rest} more: cache-ops alert check` : text;
}

/** Bytes that are kept for the line that counts the rest. */
const RESERVED = 100;

/** At most `bytes` of UTF-8, whole characters only. */
export function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  const mark = '…';
  let end = bytes - Buffer.byteLength(mark);
  // 10xxxxxx continues a character.
  while (end > 0 && ((buffer[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return buffer.subarray(0, end).toString() + mark;
}
