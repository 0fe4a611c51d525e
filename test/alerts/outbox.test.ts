import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openState } from '../../src/state/folder.js';
import { mountSmall } from '../servers/disk.js';
import { until } from '../servers/wait.js';
import { AT, alert, message } from './message.js';
import { open, sinksOf, temporaryState } from './posting.js';
import { startReceiver } from './receiver.js';

const hook = (name: string, url: string, more: Record<string, unknown> = {}) => ({
  name,
  type: 'webhook',
  url,
  secret: 'key',
  ...more,
});
const idOf = ({ headers }: { headers: Record<string, unknown> }) => headers['idempotency-key'];
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `m-${index + 1}`);

it('delivers to every sink, in the order in which messages came', async () => {
  const [one, two] = [await startReceiver(), await startReceiver()];
  const outbox = await open(
    temporaryState(),
    sinksOf(hook('one', one.url), hook('two', two.url), { name: 'out', type: 'stdout' }),
  );
  for (const id of numbers(5)) await outbox.add(message(id));
  expect(await outbox.settle(5_000)).toEqual({ delivered: 15, waiting: 0 });
  expect([one.requests.map(idOf), two.requests.map(idOf)]).toEqual([numbers(5), numbers(5)]);
  expect(outbox.written.map((line) => JSON.parse(line).id)).toEqual(numbers(5));
  expect(outbox.notices).toEqual([]);
});

it('a sink that is down for ten messages gets each once when it is back', async () => {
  const receiver = await startReceiver();
  await receiver.close();
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  for (const id of numbers(10)) await outbox.add(message(id));
  await until(() => outbox.status()[0]?.error !== null);
  const back = await startReceiver(undefined, receiver.port);
  expect(await outbox.settle(20_000)).toEqual({ delivered: 10, waiting: 0 });
  expect(back.requests.map(idOf)).toEqual(numbers(10));
  expect(outbox.notices).toEqual([
    expect.stringMatching(/^sink one: delivery fails and is tried again: connect ECONNREFUSED/),
    'sink one: delivers again',
  ]);
});

it('what waits goes out when it is opened again', async () => {
  const state = temporaryState();
  const receiver = await startReceiver();
  await receiver.close();
  const sinks = sinksOf(hook('one', receiver.url));
  const first = await open(state, sinks);
  for (const id of numbers(3)) await first.add(message(id));
  await first.close();
  const back = await startReceiver(undefined, receiver.port);
  const second = await open(state, sinks);
  await second.settle(10_000);
  await second.close();
  const third = await open(state, sinks);
  expect(await third.settle(1_000)).toEqual({ delivered: 0, waiting: 0 });
  expect(back.requests.map(idOf)).toEqual(numbers(3));
});

it('the order is kept over any number of restarts, whichever sink wants which message', async () => {
  const state = temporaryState();
  const [one, two] = [await startReceiver(), await startReceiver()];
  await Promise.all([one.close(), two.close()]);
  const sinks = sinksOf(hook('one', one.url, { min_severity: 'critical' }), hook('two', two.url));
  const first = await open(state, sinks);
  await first.add(message('m-1'));
  await first.add(message('m-2', { alerts: [alert({ severity: 'critical' })] }));
  await first.close();
  await (await open(state, sinks)).close();
  const back = await startReceiver(undefined, two.port);
  await open(state, sinks);
  await until(() => back.requests.length === 2);
  expect(back.requests.map(idOf)).toEqual(numbers(2));
});

it('one sink that hangs delays neither the others nor the caller', async () => {
  const [slow, quick] = [await startReceiver(() => {}), await startReceiver()];
  const outbox = await open(
    temporaryState(),
    sinksOf(hook('slow', slow.url), hook('quick', quick.url)),
  );
  const start = performance.now();
  for (const id of numbers(10)) await outbox.add(message(id));
  await until(() => quick.requests.length === 10);
  expect(performance.now() - start).toBeLessThan(2_000);
  expect(await outbox.settle(100)).toEqual({ delivered: 10, waiting: 10 });
  expect(outbox.status()).toMatchObject([
    { sink: 'slow', waiting: 10 },
    { sink: 'quick', waiting: 0, delivered: 10 },
  ]);
});

it('a message that is refused is given up, said, and does not hold up the next', async () => {
  const receiver = await startReceiver((response, request) =>
    response.writeHead(idOf(request) === 'm-1' ? 400 : 200).end('no such field'),
  );
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  for (const id of numbers(2)) await outbox.add(message(id));
  await outbox.settle(5_000);
  expect(receiver.requests.map(idOf)).toEqual(numbers(2));
  expect(JSON.parse(receiver.requests[1]?.body ?? '').lost_messages).toBe(1);
  expect(outbox.notices).toEqual([
    'sink one: refuses a message, which is given up: answered 400: no such field',
  ]);
});

it('a sink that refuses what fires is told once, until it takes it', async () => {
  let status = 400;
  const receiver = await startReceiver((response) => response.writeHead(status).end());
  const sinks = sinksOf({ name: 'am', type: 'alertmanager', url: receiver.url });
  const outbox = await open(temporaryState(), sinks);
  const standing = { at: AT, estate: 'shop', environment: 'production', alerts: [alert()] };
  for (status of [400, 400, 200]) {
    outbox.refresh(standing);
    await outbox.settle(5_000);
  }
  expect(receiver.requests).toHaveLength(3);
  expect(outbox.notices).toEqual([
    'sink am: delivery fails and is tried again: answered 400',
    'sink am: delivers again',
  ]);
});

it('a wrong token is put right some time: its messages wait', async () => {
  let token = 'old';
  const receiver = await startReceiver((response) =>
    response.writeHead(token === 'new' ? 200 : 401).end(),
  );
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  await outbox.add(message('m-1'));
  await until(() => receiver.requests.length > 0);
  token = 'new';
  expect(await outbox.settle(10_000)).toEqual({ delivered: 1, waiting: 0 });
});

it('Retry-After is kept', async () => {
  const receiver = await startReceiver((response, _, count) =>
    count === 1 ? response.writeHead(429, { 'retry-after': '2' }).end() : response.end(),
  );
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  await outbox.add(message('m-1'));
  await until(() => receiver.requests.length === 2);
  const [first, second] = receiver.requests;
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1_950);
});

it('settling does not wait for an attempt that comes later than that', async () => {
  const receiver = await startReceiver((response) =>
    response.writeHead(503, { 'retry-after': '600' }).end(),
  );
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  await outbox.add(message('m-1'));
  const start = performance.now();
  expect(await outbox.settle(30_000)).toEqual({ delivered: 0, waiting: 1 });
  expect(performance.now() - start).toBeLessThan(5_000);
});

it('the same id is taken once, also when it was delivered before', async () => {
  const state = temporaryState();
  const receiver = await startReceiver();
  const sinks = sinksOf(hook('one', receiver.url));
  const first = await open(state, sinks);
  await first.add(message('m-1'));
  await first.add(message('m-1'));
  await first.settle(5_000);
  await first.close();
  const second = await open(state, sinks);
  await second.add(message('m-1'));
  await second.settle(5_000);
  expect(receiver.requests.map(idOf)).toEqual(['m-1']);
});

it('a sink gets the alerts of its severity and targets only', async () => {
  const receiver = await startReceiver();
  const outbox = await open(
    temporaryState(),
    sinksOf(
      hook('one', receiver.url, { min_severity: 'critical', targets: ['redis:*', 'queue:a+b'] }),
    ),
  );
  const [warn, critical, elsewhere] = [
    alert(),
    alert({ severity: 'critical' }),
    alert({ severity: 'critical', target: 'postgres:main' }),
  ];
  await outbox.add(message('m-1', { alerts: [warn, elsewhere] }));
  await outbox.add(message('m-2', { alerts: [warn, critical, elsewhere] }));
  expect(await outbox.settle(5_000)).toEqual({ delivered: 1, waiting: 0 });
  expect(receiver.requests.map(({ body }) => JSON.parse(body).alerts)).toEqual([[critical]]);
});

it('a full queue gives up repetitions first, then the oldest, and says so to both sides', async () => {
  const receiver = await startReceiver();
  await receiver.close();
  const outbox = await open(temporaryState(), sinksOf(hook('one', receiver.url)));
  const repeats = new Set(['m-3', 'm-5']);
  const ids = numbers(1_004);
  for (const id of ids)
    await outbox.add(message(id, { kind: repeats.has(id) ? 'repeat' : 'firing' }));
  expect(outbox.status()).toMatchObject([{ waiting: 1_000, lost: 4 }]);
  expect(outbox.notices.slice(1)).toEqual([
    'sink one: 1000 messages wait, the oldest are given up',
  ]);
  const back = await startReceiver(undefined, receiver.port);
  expect(await outbox.settle(30_000)).toEqual({ delivered: 1_000, waiting: 0 });
  const gone = ['m-2', 'm-3', 'm-4', 'm-5'];
  expect(back.requests.map(idOf)).toEqual(ids.filter((id) => !gone.includes(id)));
  expect(back.requests.slice(0, 2).map(({ body }) => JSON.parse(body).lost_messages)).toEqual([
    4, 0,
  ]);
});

it('a line that a kill has cut off costs nothing else', async () => {
  const state = temporaryState();
  const receiver = await startReceiver();
  await receiver.close();
  const sinks = sinksOf(hook('one', receiver.url));
  const first = await open(state, sinks);
  await first.add(message('m-1'));
  await first.close();
  const file = state.path('alerts', 'outbox', 'messages.ndjson');
  writeFileSync(file, '\n{"add":{"id":"m-2","al', { flag: 'a' });
  const back = await startReceiver(undefined, receiver.port);
  const second = await open(state, sinks);
  await second.add(message('m-3'));
  await second.settle(5_000);
  expect(back.requests.map(idOf)).toEqual(['m-1', 'm-3']);
});

it('a second process is kept out while the first has it open', async () => {
  const state = temporaryState();
  const first = await open(state, []);
  await expect(open(state, [])).rejects.toMatchObject({ code: 'refused' });
  await first.close();
  await expect(open(state, [])).resolves.toBeDefined();
});

it('on a full disk messages are delivered from memory, and written once there is room', async ({
  skip,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-full-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const small = join(folder, 'disk');
  if (!mountSmall(small)) skip('this user may not mount a disk');
  onTestFinished(() => void execFileSync('umount', [small]));
  const state = openState({ XDG_STATE_HOME: small });
  const [there, gone] = [await startReceiver(), await startReceiver()];
  await gone.close();
  const sinks = sinksOf(hook('there', there.url), hook('gone', gone.url));
  const outbox = await open(state, sinks);
  const filler = join(small, 'filler');
  try {
    writeFileSync(filler, Buffer.alloc(1024 * 1024));
  } catch {
    // It is as full as can be.
  }
  for (const id of numbers(30)) await outbox.add(message(id));
  await until(() => there.requests.length === 30);
  expect(outbox.notices.filter((text) => text.startsWith('alerts'))).toEqual([
    expect.stringMatching(/^alerts are kept in memory only.*: the disk is full$/),
  ]);
  rmSync(filler);
  await outbox.add(message('m-31'));
  await outbox.close();
  const back = await startReceiver(undefined, gone.port);
  const again = await open(state, sinks);
  await again.settle(10_000);
  expect(back.requests.map(idOf)).toEqual(numbers(31));
});
