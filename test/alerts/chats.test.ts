import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { stoppedClock } from './clock.js';
import { alert, message } from './message.js';
import { deliver, open, sinksOf, temporaryState } from './posting.js';
import { type Request, startReceiver } from './receiver.js';

const fine = (response: ServerResponse) => response.end('{"errcode":0,"errmsg":"ok"}');
const robot = (url: string) => ({
  name: 'robot',
  type: 'dingtalk',
  url: `${url}/robot/send?access_token=0f1e2d`,
  secret: 'SEC42',
});
const channel = (url: string) => ({
  name: 'chat',
  type: 'slack',
  url: `${url}/services/T0/B0/XYZ`,
});
const textOf = ({ body }: Request) => JSON.parse(body).markdown.text as string;

it('Slack gets text, in which nothing is markup that came from a server', async () => {
  const receiver = await startReceiver();
  const [chat] = sinksOf(channel(receiver.url));
  const outcome = await deliver(
    chat,
    message('m-1', {
      alerts: [alert({ severity: 'critical', summary: 'key "<!channel> & co" is 40 MB' }), alert()],
    }),
  );
  expect(outcome).toMatchObject({ ok: true, answer: '200 ok' });
  expect(receiver.requests).toMatchObject([
    { path: '/services/T0/B0/XYZ', headers: { 'content-type': 'application/json; charset=utf-8' } },
  ]);
  expect(JSON.parse(receiver.requests[0]?.body ?? '')).toEqual({
    text: `*CRITICAL shop/production: memory redis:main (and 1 more)*
CRITICAL memory redis:main: key "&lt;!channel&gt; &amp; co" is 40 MB
  since 2026-03-01T11:55:00.000Z
  to do: find what grows: cache-ops memory bigkeys
WARN memory redis:main: 81 % of maxmemory (207 MB of 256 MB)
  since 2026-03-01T11:55:00.000Z
  to do: find what grows: cache-ops memory bigkeys`,
    unfurl_links: false,
  });
});

it('Slack gets one message a second', async () => {
  const receiver = await startReceiver();
  const clock = stoppedClock();
  const outbox = await open(temporaryState(), sinksOf(channel(receiver.url)), clock);
  for (const id of ['m-1', 'm-2', 'm-3']) await outbox.add(message(id));
  for (const count of [1, 2, 3]) {
    await until(() => outbox.status()[0]?.delivered === count);
    clock.forward(999);
    expect(receiver.requests).toHaveLength(count);
    clock.forward(1);
  }
});

it('a Slack message of thousands of alerts is cut at 40,000 bytes and counts the rest', async () => {
  const receiver = await startReceiver();
  const [chat] = sinksOf(channel(receiver.url));
  await deliver(chat, message('m-1', { alerts: Array.from({ length: 2_000 }, () => alert()) }));
  const { text } = JSON.parse(receiver.requests[0]?.body ?? '');
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(40_000);
  const shown = text.match(/to do:/g).length;
  expect(text.split('\n').at(-1)).toBe(`… and ${2_000 - shown} more: cache-ops alert check`);
});

it('DingTalk gets Markdown, signed with the time', async () => {
  const receiver = await startReceiver(fine);
  const [dingtalk] = sinksOf(robot(receiver.url));
  const outcome = await deliver(
    dingtalk,
    message('m-1', { alerts: [alert({ summary: '![x](http://elsewhere) <b>' })] }),
  );
  expect(outcome).toMatchObject({ ok: true, answer: 'errcode 0 ok' });
  const { path, body } = receiver.requests[0] ?? { path: '', body: '' };
  const { pathname, searchParams } = new URL(path, receiver.url);
  const timestamp = searchParams.get('timestamp') ?? '';
  expect(pathname).toBe('/robot/send');
  expect(searchParams.get('access_token')).toBe('0f1e2d');
  expect(Math.abs(Number(timestamp) - Date.now())).toBeLessThan(10_000);
  expect(searchParams.get('sign')).toBe(
    createHmac('sha256', 'SEC42').update(`${timestamp}\nSEC42`).digest('base64'),
  );
  expect(JSON.parse(body)).toEqual({
    msgtype: 'markdown',
    markdown: {
      title: 'WARN shop/production: memory redis:main',
      text: `### WARN shop/production: memory redis:main

WARN memory redis:main: ![x] (http://elsewhere) ＜b>

> since 2026-03-01T11:55:00.000Z

> to do: find what grows: cache-ops memory bigkeys`,
    },
  });
});

it('30 alerts at once make 20 posts to DingTalk, and the last one tells the rest', async () => {
  const receiver = await startReceiver(fine);
  const clock = stoppedClock();
  const state = temporaryState();
  const sinks = sinksOf(robot(receiver.url));
  const outbox = await open(state, sinks, clock);
  const thirty = Array.from({ length: 30 }, (_, index) =>
    message(`m-${index}`, { alerts: [alert({ target: `redis:number-${index}` })] }),
  );
  await Promise.all(thirty.map((one) => outbox.add(one)));
  expect(await outbox.settle(10_000)).toEqual({ delivered: 30, waiting: 0 });
  expect(receiver.requests).toHaveLength(20);
  const told = receiver.requests.map(textOf).join('\n');
  for (let index = 0; index < 30; index += 1) expect(told).toContain(`redis:number-${index}: `);
  expect(textOf(receiver.requests[19] as Request)).toMatch(/^### .*\(digest of 11 messages\)\n/);

  // A watcher that starts anew within the minute keeps to it too.
  await outbox.close();
  const again = await open(state, sinks, clock);
  await again.add(message('late-1'));
  clock.forward(60_000);
  await again.add(message('late-2'));
  expect(await again.settle(4_000)).toEqual({ delivered: 0, waiting: 2 });
  clock.forward(5_000);
  expect(await again.settle(10_000)).toEqual({ delivered: 2, waiting: 0 });
  expect(receiver.requests).toHaveLength(22);
});

it('a clock that is set back does not silence DingTalk for longer than its minute', async () => {
  const receiver = await startReceiver(fine);
  const clock = stoppedClock();
  const outbox = await open(temporaryState(), sinksOf(robot(receiver.url)), clock);
  for (let index = 0; index < 20; index += 1) await outbox.add(message(`m-${index}`));
  await outbox.settle(10_000);
  clock.forward(-3_600_000);
  await outbox.add(message('m-20'));
  await until(() => outbox.status()[0]?.restsUntil !== null);
  clock.forward(65_000);
  await until(() => outbox.status()[0]?.waiting === 0);
});

it('no body for DingTalk has more than 20,000 bytes, quotes and Chinese included', async () => {
  const receiver = await startReceiver(fine);
  const [dingtalk] = sinksOf(robot(receiver.url));
  for (const summary of ['"'.repeat(300), '内存不足'.repeat(100), 'x'.repeat(100_000)]) {
    const alerts = Array.from({ length: 200 }, () => alert({ summary }));
    expect(await deliver(dingtalk, message('m-1', { alerts }))).toMatchObject({ ok: true });
  }
  const sizes = receiver.requests.map(({ body }) => Buffer.byteLength(body));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(20_000);
  expect(Math.min(...sizes)).toBeGreaterThan(15_000);
  for (const request of receiver.requests) expect(textOf(request)).toMatch(/… and 1\d\d more/);
});

it.each([
  [
    { errcode: 310000, errmsg: 'sign not match, token 0f1e2d' },
    'answered errcode 310000: sign not match, token ***',
  ],
  [{ errcode: 130101, errmsg: 'send too fast' }, 'answered errcode 130101: send too fast'],
  [{}, 'answered no errcode: {}'],
])('DingTalk answers 200 and %o: not delivered', async (answer, said) => {
  const receiver = await startReceiver((response) => response.end(JSON.stringify(answer)));
  const [dingtalk] = sinksOf(robot(receiver.url));
  expect(await deliver(dingtalk, message('m-1'))).toMatchObject({ ok: false, answer: said });
});

it('DingTalk is left alone for ten minutes when it blocks', async () => {
  const receiver = await startReceiver((response, _, count) =>
    count === 1 ? response.end('{"errcode":410100,"errmsg":"too fast"}') : fine(response),
  );
  const clock = stoppedClock();
  const outbox = await open(temporaryState(), sinksOf(robot(receiver.url)), clock);
  await outbox.add(message('m-1'));
  await until(() => outbox.status()[0]?.restsUntil !== null);
  expect(outbox.status()).toMatchObject([{ restsUntil: clock.now() + 600_000, waiting: 1 }]);
  clock.forward(600_000);
  await until(() => outbox.status()[0]?.waiting === 0);
});
