import { createHmac } from 'node:crypto';
import type { DingtalkConfig } from '../../config/sinks.js';
import { alertLines, cut, fitted, lostLine, titleOf } from '../message.js';
import { type Answer, post } from './http.js';
import { type Delivery, DeliveryFailure, type Sink } from './sink.js';

/** open.dingtalk.com, custom robots: bytes of a whole message. */
const LIMIT = 20_000;
/** 20 posts a minute, then nothing for ten minutes. The minute is DingTalk's: posts may take longer to arrive than others. */
const RATE = { posts: 20, per: 65_000, digest: 50 };
const BLOCKED = 600_000;
const TOO_FAST = [130101, 410100];
/** Of the message itself: no JSON, unknown type, links, text or images that are not allowed, too long. */
const REFUSED = [40035, 400105, 430101, 430102, 430103, 430104, 460101];

/** A signed custom robot. The last post that a minute allows is a digest of what waits. */
export function dingtalkSink({ name, url, secret }: DingtalkConfig): Sink {
  return {
    name,
    rate: RATE,
    async send(delivery, attempt) {
      const signed = new URL(url);
      signed.searchParams.set('timestamp', String(attempt.now));
      signed.searchParams.set('sign', signOf(attempt.now, secret));
      return verdict(await post(signed.href, bodyOf(delivery), {}, attempt));
    },
  };
}

function signOf(timestamp: number, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
}

/** It answers 200 whatever happens; `errcode` tells. */
function verdict({ text }: Answer): string {
  let answer: { errcode?: unknown; errmsg?: unknown } | null = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // No JSON: a proxy in between.
  }
  const { errcode, errmsg } = answer ?? {};
  if (errcode === 0) return `errcode 0 ${errmsg ?? ''}`;
  if (typeof errcode !== 'number')
    throw new DeliveryFailure('failed', `answered no errcode: ${text}`);
  throw new DeliveryFailure(
    REFUSED.includes(errcode) ? 'refused' : 'failed',
    `answered errcode ${errcode}: ${errmsg ?? ''}`,
    TOO_FAST.includes(errcode) ? BLOCKED : undefined,
  );
}

function bodyOf(delivery: Delivery): string {
  // JSON writes some characters with more bytes than the text has.
  for (let limit = LIMIT; ; limit -= 500) {
    const markdown = { title: headline(delivery), text: textOf(delivery, limit) };
    const body = JSON.stringify({ msgtype: 'markdown', markdown });
    if (Buffer.byteLength(body) <= LIMIT) return body;
  }
}

function headline({ notifications }: Delivery): string {
  const [first] = notifications;
  if (!first) return '';
  const more = notifications.length > 1 ? ` (digest of ${notifications.length} messages)` : '';
  return cut(titleOf(first), 200) + more;
}

function textOf(delivery: Delivery, limit: number): string {
  const alerts = delivery.notifications.flatMap((message) => message.alerts);
  const parts = alerts.map((alert) => {
    const lines = alertLines(alert).map((line) => escaped(line.trim()));
    return delivery.notifications.length > 1 ? `- ${lines[0]}` : lines.join('\n\n> ');
  });
  const head = [`### ${escaped(headline(delivery))}`, ...lostLine(delivery.lost)];
  // One line break is none in its Markdown.
  return fitted(head, parts, limit, '\n\n');
}

/** Its Markdown knows no escapes. A link or picture must not come out of a key's name. */
function escaped(text: string): string {
  return text.replaceAll('](', '] (').replaceAll('<', '＜');
}
