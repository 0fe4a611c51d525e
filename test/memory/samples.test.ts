import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { remember, type Sample, sinceRestart } from '../../src/memory/samples.js';
import { openState } from '../../src/state/folder.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function stateForTest() {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-samples-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return openState({ XDG_STATE_HOME: folder });
}

const sample = (at: number, fields: Partial<Sample> = {}): Sample => ({
  at,
  used: 100,
  counted: 90,
  peak: 120,
  keys: 10,
  run: 'a',
  ...fields,
});

describe('samples', () => {
  it('are there the next time, of each server its own', () => {
    const state = stateForTest();
    remember(state, 'main@127.0.0.1:6379', sample(1));
    remember(state, 'main@127.0.0.1:6380', sample(2));
    remember(state, '../../main@/tmp/redis.sock', sample(3));
    const { samples, unwritable } = remember(state, 'main@127.0.0.1:6379', sample(4));
    expect([samples, unwritable]).toEqual([[sample(1), sample(4)], null]);
    expect(readdirSync(state.path('memory', 'samples'))).toHaveLength(3);
    expect(readdirSync(state.folder)).toEqual(['memory']);
  });

  it('survive lines that are torn or not theirs, and a clock that was put back', () => {
    const state = stateForTest();
    remember(state, 'main', sample(5));
    const [file = ''] = readdirSync(state.path('memory', 'samples'));
    appendFileSync(state.path('memory', 'samples', file), '{"at":6,"us\n[]\n{"at":"7"}\n');
    remember(state, 'main', sample(900));
    expect(remember(state, 'main', sample(8)).samples).toEqual([sample(5), sample(8)]);
  });

  it('do not grow without end: older ones are thinned, the newest stay', () => {
    const state = stateForTest();
    const start = Date.parse('2026-01-01T00:00:00Z');
    const file = state.path('memory', 'samples', 'main.ndjson');
    remember(state, 'main', sample(start - 500 * DAY));
    const every = 10 * MINUTE;
    for (let index = 0; index < 30 * 144; index += 1)
      appendFileSync(file, `${JSON.stringify(sample(start + index * every))}\n`);
    const now = start + 30 * 144 * every;
    remember(state, 'main', sample(now));
    const kept = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).at);
    // 6 hours whole, 14 days by the hour, 30 days by the day; what is older than 400 days has gone.
    expect(kept.length).toBeGreaterThan(36 + 14 * 24);
    expect(kept.length).toBeLessThan(36 + 14 * 24 + 30);
    expect(kept.filter((at) => now - at <= 6 * HOUR)).toHaveLength(37);
    expect([kept[0], kept.at(-1)]).toEqual([start, now]);
  });

  it.each<[string, Partial<Sample>]>([
    ['a restart', { run: 'b' }],
    ['a flush', { used: 40 }],
    ['a database that was emptied', { keys: 3 }],
  ])('begin anew with %s', (_, fields) => {
    const series = [sample(1), sample(2), sample(3, fields), sample(4, fields)];
    expect(sinceRestart(series).map(({ at }) => at)).toEqual([3, 4]);
  });

  it('go on where nothing is known but the memory', () => {
    const series = [sample(1), sample(2, { run: null, keys: null }), sample(3)];
    expect(sinceRestart(series)).toHaveLength(3);
  });
});
