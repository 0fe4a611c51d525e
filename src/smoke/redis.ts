import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { RedisClient } from '../redis/client.js';
import { type Check, type Run, runCheck, type Subject, since, skipCheck } from './check.js';
import { type OwnKeys, reasonOf } from './keys.js';

/** In the order in which they are reported. */
const CHECKS = ['ping', 'write-read', 'object', 'has-delete', '50kb', 'ttl'] as const;
type Name = (typeof CHECKS)[number];

type Work = (keys: OwnKeys, signal: AbortSignal) => Promise<string | undefined>;

const TTL = 2_000;
/** Milliseconds that a key may still be there after its TTL. */
const GRACE = 500;
const POLL = 50;

/** The runbook's bound: 50 KB written and read in under 10 ms. Attempts are apart: noise comes in bursts. */
const LARGE = { bytes: 50 * 1024, limit: 10, attempts: 3, pause: 250 };

/** All checks of a Redis whose connection is open; they take about the 2 s of the TTL check. */
export async function checkOpen(
  client: RedisClient,
  keys: OwnKeys,
  run: Run,
  of: Subject,
): Promise<Check[]> {
  const check = (name: Name, work: Work, limit = run.timeout) =>
    runCheck(
      of,
      name,
      run,
      (signal) =>
        work(keys, signal).catch((error: unknown) => {
          throw new Error(reasonOf(error, run.timeout));
        }),
      limit,
    );
  const ping = await check('ping', async () => same(await client.ping(), 'PONG'));
  if (ping.status === 'failed') return [ping, ...skipAfter('ping', of, run, 'not connected')];
  const written = await check('write-read', writeAndRead);
  if (written.status === 'failed')
    return [ping, written, ...skipAfter('write-read', of, run, 'write-read failed')];
  const [others, ttl] = await Promise.all([
    // One after the other: the time of the large value is to be its own.
    check('object', objectRoundTrip).then(async (object) => [
      object,
      await check('has-delete', hasAndDelete),
      await check('50kb', largeValue),
    ]),
    check('ttl', expiry, run.timeout + TTL + GRACE),
  ]);
  return [ping, written, ...others, ttl];
}

/** The checks that come after `name`, as skipped. */
export function skipAfter(name: Name, of: Subject, run: Run, reason: string): Check[] {
  return CHECKS.slice(CHECKS.indexOf(name) + 1).map((check) => skipCheck(of, check, run, reason));
}

const writeAndRead: Work = async (keys, signal) => {
  const value = randomBytes(16).toString('hex');
  await keys.put('write-read', value, signal);
  return same(await keys.get('write-read'), value);
};

const OBJECT = {
  text: 'Zürich, 臨床研究, Ελλάδα, עברית, 👩‍⚕️, "quoted" \\ and \n a new line',
  nested: { list: [1, -2.5, 1e21, { deep: [[], {}, ''] }], none: null, yes: true },
};

const objectRoundTrip: Work = async (keys, signal) => {
  await keys.put('object', JSON.stringify(OBJECT), signal);
  const text = await keys.get('object');
  if (text === null) throw new Error('the value is missing');
  if (!isDeepStrictEqual(parse(text), OBJECT)) throw new Error('another object was read');
  return undefined;
};

const hasAndDelete: Work = async (keys, signal) => {
  const name = 'has-delete';
  await keys.put(name, 'here', signal);
  if (!(await keys.exists(name))) throw new Error('EXISTS denies a key that was just written');
  if (!(await keys.delete(name))) throw new Error('DEL found nothing to delete');
  if (await keys.exists(name)) throw new Error('the key is there after its deletion');
  return undefined;
};

const largeValue: Work = async (keys, signal) => {
  // base64 of random bytes: no server or proxy on the way can compress it to nothing.
  const value = randomBytes(LARGE.bytes).toString('base64').slice(0, LARGE.bytes);
  let best = Number.POSITIVE_INFINITY;
  let attempts = 0;
  while (attempts < LARGE.attempts && best >= LARGE.limit) {
    if (attempts > 0) await sleep(LARGE.pause, undefined, { signal });
    const start = performance.now();
    await keys.put('50kb', value, signal);
    const read = await keys.get('50kb');
    best = Math.min(best, since(start));
    attempts += 1;
    same(read, value);
  }
  const figure = `${best.toFixed(2)} ms, best of ${attempts}`;
  if (best < LARGE.limit) return figure;
  throw new Error(`${figure}; the limit is ${LARGE.limit} ms`);
};

/** Watches a key from its SET until it is gone: it must go neither early nor late. */
const expiry: Work = async (keys, signal) => {
  // Redis has set it between these two moments, however slow this machine is.
  const start = performance.now();
  await keys.put('ttl', 'here', signal, TTL);
  const set = performance.now();
  const left = await keys.pttl('ttl');
  // -2, gone already (a machine under load): then the loop below judges the time.
  if (left === -1 || left > TTL) throw new Error(`PTTL is ${left}, expected 1 to ${TTL}`);
  let seen = false;
  for (let asked = set; (await keys.get('ttl')) !== null; asked = performance.now()) {
    seen = true;
    const past = asked - set;
    if (past > TTL + GRACE)
      throw new Error(`still there ${past.toFixed(0)} ms after a SET with ${TTL} ms`);
    await sleep(POLL, undefined, { signal });
  }
  const gone = since(start);
  // Redis counts in whole milliseconds of its own clock: a little early is no fault.
  if (gone < TTL - POLL)
    throw new Error(`gone after ${gone.toFixed(0)} of ${TTL} ms: evicted or deleted`);
  if (!seen) throw new Error('could not be read before it expired');
  return `gone after ${gone.toFixed(0)} ms`;
};

function same(read: string | null, written: string): undefined {
  if (read === null) throw new Error('the value is missing');
  if (read !== written) throw new Error('another value was read');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('what was read is no JSON');
  }
}
