import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { applyChosen } from '../../src/queues/bulk/apply.js';
import { choose, type Place, type Selection } from '../../src/queues/bulk/choose.js';
import { readJournal } from '../../src/queues/bulk/journal.js';
import { chooseInto } from '../../src/queues/bulk/prepare.js';
import { identify } from '../../src/state/identity.js';
import { claim } from '../../src/state/lock.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { doubleEngine } from './bulk-double.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

const never = new AbortController().signal;
const failed: Selection['filter'] = { states: ['failed'] };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'cache-ops-bulk-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function fill(ids: string[]): Promise<void> {
  await redis.hset('mail', Object.fromEntries(ids.map((id) => [id, 'failed'])));
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `job-${index}`);

/** Chooses every failed job into a new folder. */
async function chosenFolder(place: Place): Promise<string> {
  const path = folder();
  await chooseInto(path, { places: [place], filter: failed }, { signal: never, onPage() {} });
  return path;
}

async function run(path: string, place: Place, more: { rate?: number; signal?: AbortSignal } = {}) {
  const journal = await readJournal(path, 0);
  const steps: number[] = [];
  const work = { folder: path, operation: { type: 'retry' } as const, places: [place], journal };
  for await (const { position } of applyChosen({ ...work, signal: never, ...more })) {
    steps.push(position);
  }
  return steps;
}

describe('applying in chunks', () => {
  it('moves every job once, and what was not done is in the journal', async () => {
    await fill(numbered(2_500));
    const path = await chosenFolder(doubleEngine(redis));
    await redis.hset('mail', 'job-7', 'waiting');
    expect(await run(path, doubleEngine(redis))).toEqual([1_000, 2_000, 2_500]);
    const journal = await readJournal(path, 10);
    expect(journal.position).toBe(2_500);
    expect(journal.groups.list()).toMatchObject([
      { result: 'done', detail: 'waiting', jobs: 2_499 },
      { result: 'raced', detail: 'is waiting', jobs: 1, example: 'job-7' },
    ]);
    expect(journal.others).toMatchObject([{ id: 'job-7', result: 'raced', in_doubt: false }]);
    expect(new Set(await redis.hvals('mail:moves'))).toEqual(new Set(['1']));
  });

  it('goes on after a kill in the middle of a chunk: every id once, the doubtful ones said', async () => {
    await fill(numbered(3_000));
    const path = await chosenFolder(doubleEngine(redis));
    await expect(run(path, doubleEngine(redis, { dieAfter: 1_400 }))).rejects.toThrow('killed');
    // Two chunks are on their way at once.
    const { position, begun } = await readJournal(path, 0);
    expect(begun - position).toBeLessThanOrEqual(2_000);

    expect((await run(path, doubleEngine(redis))).at(-1)).toBe(3_000);
    const moves = await redis.hgetall('mail:moves');
    expect(Object.keys(moves)).toHaveLength(3_000);
    expect(new Set(Object.values(moves))).toEqual(new Set(['1']));
    const journal = await readJournal(path, 1_000);
    const doubtful = 1_400 - position;
    expect(journal.groups.counts()).toEqual({ done: 3_000 - doubtful, raced: doubtful });
    expect(journal.in_doubt).toBe(doubtful);
  });

  it('keeps the doubt when the next run has smaller chunks and is killed too', async () => {
    await fill(numbered(1_000));
    const path = await chosenFolder(doubleEngine(redis));
    await expect(run(path, doubleEngine(redis, { dieAfter: 500 }))).rejects.toThrow('killed');
    await expect(run(path, doubleEngine(redis, { dieAfter: 150 }), { rate: 200 })).rejects.toThrow(
      'killed',
    );
    await run(path, doubleEngine(redis));
    const journal = await readJournal(path, 0);
    expect(journal.groups.counts()).toEqual({ done: 500, raced: 500 });
    expect(journal.in_doubt).toBe(500);
  });

  it('goes on in the middle of a thousand where smaller chunks had stopped', async () => {
    await fill(numbered(1_500));
    const path = await chosenFolder(doubleEngine(redis));
    const engine = doubleEngine(redis, { dieAfter: 1_250 });
    await expect(run(path, engine, { rate: 400 })).rejects.toThrow('killed');
    expect((await readJournal(path, 0)).next).toMatchObject({ skip: 0 });
    expect(await readJournal(path, 0)).toMatchObject({ position: 1_000, begun: 1_400 });
    await expect(run(path, doubleEngine(redis, { dieAfter: 450 }), { rate: 300 })).rejects.toThrow(
      'killed',
    );
    expect(await readJournal(path, 0)).toMatchObject({ position: 1_300, next: { skip: 300 } });
    expect(await run(path, doubleEngine(redis))).toEqual([1_500]);
    expect(new Set(await redis.hvals('mail:moves'))).toEqual(new Set(['1']));
    expect(await redis.hlen('mail:moves')).toBe(1_500);
  });

  it('is not misled by a line that was cut off: the next one counts', async () => {
    await fill(numbered(1_500));
    const path = await chosenFolder(doubleEngine(redis));
    appendFileSync(join(path, 'journal.ndjson'), '{"begin":0,"jo');
    await expect(run(path, doubleEngine(redis, { dieAfter: 100 }))).rejects.toThrow('killed');
    appendFileSync(join(path, 'journal.ndjson'), '{"end":1000,"off');
    expect(await run(path, doubleEngine(redis))).toEqual([1_000, 1_500]);
    expect(await readJournal(path, 0)).toMatchObject({ position: 1_500, in_doubt: 100 });
  });

  it('stops at a chunk boundary when it is told to', async () => {
    await fill(numbered(3_000));
    const path = await chosenFolder(doubleEngine(redis));
    const controller = new AbortController();
    const journal = await readJournal(path, 0);
    const operation = { type: 'retry' } as const;
    const places = [doubleEngine(redis)];
    const { signal } = controller;
    for await (const _ of applyChosen({ folder: path, operation, places, journal, signal })) {
      controller.abort();
    }
    expect(await redis.hlen('mail:moves')).toBe(1_000);
    expect(await run(path, doubleEngine(redis))).toEqual([2_000, 3_000]);
    const after = await readJournal(path, 0);
    expect([after.groups.counts(), after.in_doubt]).toEqual([{ done: 3_000 }, 0]);
  });

  it('works on as many chunks at once as the engine has lanes, and tells of them in order', async () => {
    await fill(numbered(4_500));
    const place = doubleEngine(redis, { lanes: 2 });
    const path = await chosenFolder(place);
    await redis.hset('mail', 'job-7', 'waiting', 'job-1007', 'waiting');
    const { apply } = place.engine;
    let underway = 0;
    let most = 0;
    place.engine.apply = async (...call) => {
      underway += 1;
      most = Math.max(most, underway);
      // The second of a pair is done long before the first.
      if (underway === 1) await new Promise((resolve) => setTimeout(resolve, 50));
      const outcomes = await apply(...call);
      underway -= 1;
      return outcomes;
    };
    expect(await run(path, place)).toEqual([1_000, 2_000, 3_000, 4_000, 4_500]);
    expect(most).toBe(2);
    const journal = await readJournal(path, 10);
    expect(journal.groups.counts()).toEqual({ done: 4_498, raced: 2 });
    expect(journal.others.map(({ id }) => id)).toEqual(['job-7', 'job-1007']);
  });

  it('of two chunks at once a kill leaves both in doubt and no more, and nothing goes on behind it', async () => {
    await fill(numbered(5_000));
    const place = doubleEngine(redis, { lanes: 2, dieAfter: 3_400 });
    const path = await chosenFolder(place);
    await expect(run(path, place)).rejects.toThrow('killed');
    const moved = await redis.hlen('mail:moves');
    expect(moved).toBe(3_400);
    const { position, begun } = await readJournal(path, 0);
    expect(begun - position).toBeLessThanOrEqual(2_000);

    await run(path, doubleEngine(redis, { lanes: 2 }));
    const moves = await redis.hgetall('mail:moves');
    expect(Object.keys(moves)).toHaveLength(5_000);
    expect(new Set(Object.values(moves))).toEqual(new Set(['1']));
    const journal = await readJournal(path, 0);
    expect(journal.groups.counts()).toEqual({
      done: 5_000 - (moved - position),
      raced: moved - position,
    });
    expect(journal.in_doubt).toBe(moved - position);
  });

  it('has both chunks ended before the failure of the first is told', async () => {
    await fill(numbered(2_000));
    const place = doubleEngine(redis, { lanes: 2 });
    const path = await chosenFolder(place);
    const { apply } = place.engine;
    let calls = 0;
    place.engine.apply = async (...call) => {
      calls += 1;
      if (calls === 1) throw new Error('lost');
      return apply(...call);
    };
    await expect(run(path, place)).rejects.toThrow('lost');
    expect(await redis.hlen('mail:moves')).toBe(1_000);
    expect(await readJournal(path, 0)).toMatchObject({ position: 0, begun: 2_000 });
    await run(path, doubleEngine(redis));
    expect((await readJournal(path, 0)).groups.counts()).toEqual({ done: 1_000, raced: 1_000 });
  });

  it('says a chunk is begun before it is applied', async () => {
    await fill(numbered(1_500));
    const place = doubleEngine(redis);
    const path = await chosenFolder(place);
    const said: boolean[] = [];
    const { apply } = place.engine;
    place.engine.apply = async (queue, operation, jobs, noted) => {
      const from = said.length * 1_000;
      said.push(
        readFileSync(join(path, 'journal.ndjson'), 'utf8').includes(`{"begin":${from},"jobs":`),
      );
      await noted;
      return apply(queue, operation, jobs);
    };
    await run(path, place);
    expect(said).toEqual([true, true]);
  });

  it('at a rate tells of each chunk before it waits for the next', async () => {
    await fill(numbered(200));
    const place = doubleEngine(redis, { lanes: 2 });
    const path = await chosenFolder(place);
    const journal = await readJournal(path, 0);
    const work = { folder: path, operation: { type: 'retry' } as const, places: [place], journal };
    const began = performance.now();
    for await (const { position } of applyChosen({ ...work, signal: never, rate: 100 })) {
      if (position === 100) expect(performance.now() - began).toBeLessThan(900);
    }
  });

  it('goes no faster than the rate', async () => {
    await fill(numbered(300));
    const path = await chosenFolder(doubleEngine(redis));
    const began = performance.now();
    expect(await run(path, doubleEngine(redis), { rate: 200 })).toEqual([200, 300]);
    expect(performance.now() - began).toBeGreaterThanOrEqual(990);
  });
});

describe('choosing', () => {
  it('takes ids with any character, and leaves out ids without a job', async () => {
    const odd = ['a\u2028b', 'line\nfeed', '"quoted"', 'ünïcode', 'ghost-1'];
    await fill(odd);
    const path = await chosenFolder(doubleEngine(redis));
    await run(path, doubleEngine(redis));
    expect(Object.keys(await redis.hgetall('mail:moves')).sort()).toEqual(odd.slice(0, 4).sort());
  });

  it('keeps the newest of a state among all of them, not among the old ones', async () => {
    await fill(numbered(1_500));
    // The double's finish times are 100_000, 99_999, ...: the newest first, in pages of 1,000.
    const filter = { ...failed, before: 99_000 };
    const ids: string[] = [];
    const selection = { places: [doubleEngine(redis)], filter, keep: { failed: 1_010 } };
    for await (const { jobs } of choose(selection, never)) ids.push(...jobs.map(({ id }) => id));
    expect([ids[0], ids.length]).toEqual(['job-1010', 490]);
  });

  it('writes what it chose before anything is changed, a line each', async () => {
    await fill(numbered(3));
    const path = await chosenFolder(doubleEngine(redis));
    expect(readFileSync(join(path, 'chosen.ndjson'), 'utf8')).toBe(
      '[0,["job-0","job-1","job-2"],["1","1","1"]]\n',
    );
  });
});

it('two processes never work on one operation, and a dead one holds nobody up', () => {
  const path = folder();
  const self = identify(process.pid);
  if (!self) throw new Error('no identity');
  const first = claim(path, self);
  expect(claim(path, self)).toEqual({ holder: self });
  if ('release' in first) first.release();
  const dead = claim(path, { pid: 999_999_999, started: '1' });
  expect(dead).toHaveProperty('release');
  const next = claim(path, self);
  expect(next).toHaveProperty('release');
});
