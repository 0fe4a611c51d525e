import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { expect, it } from 'vitest';
import { alert, message } from './message.js';
import { deliver, sinksOf } from './posting.js';
import { startReceiver } from './receiver.js';

const SECRET = 'key-of-the-hook';

function hookTo(url: string, more: Record<string, unknown> = {}) {
  const [hook] = sinksOf({ name: 'hook', type: 'webhook', url, secret: SECRET, ...more });
  return hook;
}

it('gets the message as JSON, its id as the idempotency key, and headers of its own', async () => {
  const receiver = await startReceiver();
  const hook = hookTo(`${receiver.url}/alerts?to=ops`, {
    headers: { authorization: 'Bearer abc' },
  });
  expect(await deliver(hook, message('m-1'))).toMatchObject({ ok: true, answer: '200 ok' });
  const [request] = receiver.requests;
  expect(request).toMatchObject({
    method: 'POST',
    path: '/alerts?to=ops',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'idempotency-key': 'm-1',
      authorization: 'Bearer abc',
    },
  });
  expect(JSON.parse(request?.body ?? '')).toEqual({
    version: 1,
    title: 'WARN shop/production: memory redis:main',
    id: 'm-1',
    kind: 'firing',
    at: '2026-03-01T12:00:00.000Z',
    estate: 'shop',
    environment: 'production',
    group: 'redis:main',
    alerts: [alert()],
    omitted_alerts: 0,
    lost_messages: 0,
  });
});

it('signs the time and the body with HMAC-SHA256', async () => {
  const receiver = await startReceiver();
  await deliver(hookTo(receiver.url), message('m-1'));
  const { headers, body } = receiver.requests[0] ?? {
    headers: {} as IncomingHttpHeaders,
    body: '',
  };
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
    String(headers['cache-ops-signature']),
  ) ?? ['', '', ''];
  expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(10);
  expect(hex).toBe(createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex'));
});

it('gets no more than 256,000 bytes, and is told how many alerts are missing', async () => {
  const receiver = await startReceiver();
  const many = Array.from({ length: 1_000 }, (_, index) =>
    alert({ fingerprint: `${index}`, summary: 'é'.repeat(300) }),
  );
  await deliver(hookTo(receiver.url), message('m-1', { alerts: many }));
  const { body } = receiver.requests[0] ?? { body: '' };
  const { alerts, omitted_alerts } = JSON.parse(body);
  expect(Buffer.byteLength(body)).toBeLessThanOrEqual(256_000);
  expect(alerts.length).toBeGreaterThan(100);
  expect(alerts.length + omitted_alerts).toBe(1_000);
});

it('that redirects gets nothing at the other place', async () => {
  const other = await startReceiver();
  const receiver = await startReceiver((response) =>
    response.writeHead(307, { location: other.url }).end(),
  );
  expect(await deliver(hookTo(receiver.url), message('m-1'))).toMatchObject({
    ok: false,
    answer: 'answered 307',
  });
  expect(other.requests).toEqual([]);
});

it('that does not answer costs no more than its time-out', async () => {
  const receiver = await startReceiver(() => {});
  const { ok, answer, took_ms } = await deliver(
    hookTo(receiver.url, { timeout: 200 }),
    message('m-1'),
  );
  expect({ ok, answer }).toEqual({ ok: false, answer: 'no answer within 200 ms' });
  expect(took_ms).toBeLessThan(2_000);
});

it('that answers without end costs neither time nor memory', async () => {
  const receiver = await startReceiver((response) => {
    const fill = () => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
    };
    response.on('drain', fill).writeHead(500);
    fill();
  });
  const { ok, answer } = await deliver(hookTo(receiver.url, { timeout: 5_000 }), message('m-1'));
  expect(ok).toBe(false);
  expect(answer).toMatch(/^answered 500: x{200,300}…$/);
});

it('that repeats secrets in its answer does not bring them into ours', async () => {
  const receiver = await startReceiver((response, { path, headers }) =>
    response
      .writeHead(500)
      .end(`at ${path} with ${headers.authorization}, key ${SECRET}\n\u001b[2J`),
  );
  const hook = hookTo(`${receiver.url}/hooks/very-private?token=hush-hush`, {
    headers: { authorization: 'Bearer top-secret' },
  });
  expect(await deliver(hook, message('m-1'))).toMatchObject({
    answer: 'answered 500: at *** with ***, key *** \\x1b[2J',
  });
});

it('that is not there is told without its address', async () => {
  const receiver = await startReceiver();
  await receiver.close();
  const { ok, answer } = await deliver(hookTo(`${receiver.url}/hooks/very-private`), message('m'));
  expect(ok).toBe(false);
  expect(answer).toMatch(/^connect ECONNREFUSED/);
});
