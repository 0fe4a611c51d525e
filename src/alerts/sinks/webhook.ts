import { createHmac } from 'node:crypto';
import type { WebhookConfig } from '../../config/sinks.js';
import { titleOf } from '../message.js';
import type { Notification } from '../notification.js';
import { post } from './http.js';
import type { Delivery, Sink } from './sink.js';

/** Many gateways take no more. */
const LIMIT = 256_000;

/**
 * JSON to any receiver. `Idempotency-Key` is the message's id, the same at every attempt.
 * `Cache-Ops-Signature: t=SECONDS,v1=HEX` holds HMAC-SHA256 of `SECONDS.BODY`: the time is signed too,
 * so that a receiver can refuse an old message that somebody sends again.
 */
export function webhookSink({ name, url, secret, headers }: WebhookConfig): Sink {
  return {
    name,
    async send(delivery, attempt) {
      const body = bodyOf(delivery);
      const seconds = Math.floor(attempt.now / 1_000);
      const hex = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
      const { status, text } = await post(
        url,
        body,
        {
          ...headers,
          'idempotency-key': delivery.notifications[0]?.id ?? '',
          'cache-ops-signature': `t=${seconds},v1=${hex}`,
        },
        attempt,
      );
      return `${status} ${text}`;
    },
  };
}

function bodyOf({ notifications, lost }: Delivery): string {
  const [notification] = notifications;
  if (!notification) return '{}';
  const { alerts, ...rest } = notification;
  for (let count = alerts.length; ; count = Math.floor(count / 2)) {
    const body = JSON.stringify({
      version: 1,
      title: titleOf(notification),
      ...rest,
      alerts: alerts.slice(0, count),
      omitted_alerts: alerts.length - count,
      lost_messages: lost,
    } satisfies WebhookBody);
    if (count === 0 || Buffer.byteLength(body) <= LIMIT) return body;
  }
}

/** Keys are only ever added. */
interface WebhookBody extends Notification {
  version: 1;
  title: string;
  omitted_alerts: number;
  lost_messages: number;
}
