import type { SlackConfig } from '../../config/sinks.js';
import { alertLines, fitted, lostLine, titleOf } from '../message.js';
import { post } from './http.js';
import type { Delivery, Sink } from './sink.js';

/** docs.slack.dev, chat.postMessage: a text of more than 40,000 characters is cut. */
const LIMIT = 40_000;
/** docs.slack.dev, rate limits: one message a second for each incoming webhook. */
const RATE = { posts: 1, per: 1_000 };

export function slackSink({ name, url }: SlackConfig): Sink {
  return {
    name,
    rate: RATE,
    async send(delivery, attempt) {
      const body = JSON.stringify({ text: textOf(delivery), unfurl_links: false });
      const { status, text } = await post(url, body, {}, attempt);
      return `${status} ${text}`;
    },
  };
}

function textOf({ notifications, lost }: Delivery): string {
  const head = notifications.map((message) => `*${escaped(titleOf(message))}*`);
  const parts = notifications.flatMap(({ alerts }) => alerts.map(alertLines));
  return fitted(
    [...head, ...lostLine(lost)],
    parts.map((lines) => escaped(lines.join('\n'))),
    LIMIT,
  );
}

/** These three begin markup, among it `<!channel>`, which wakes everybody. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
