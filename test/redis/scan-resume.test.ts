import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type ScanPosition, StalePositionError } from '../../src/redis/scan/types.js';
import { command } from '../servers/command.js';
import { until } from '../servers/wait.js';
import { names, type Scanned, scan, totals, twoDatabases } from './scanning.js';

const copy = ({ facts, repeated }: Omit<Scanned, 'end'>) => ({
  facts: new Map(facts),
  repeated: new Map(repeated),
});

/** As it would come back from a file. */
const stored = (position: ScanPosition | null) =>
  JSON.parse(JSON.stringify(position)) as ScanPosition;

describe('a scan that is aborted', () => {
  it.each([1, 2, 8])(
    'goes on where it was and ends with the totals of one run (%i cursors)',
    async (cursors) => {
      const { redis } = await twoDatabases();
      const whole = await scan(redis.port);
      for (const share of [0, Math.random(), Math.random(), 0.99]) {
        const abort = new AbortController();
        let seen = 0;
        const first = await scan(
          redis.port,
          { cursors },
          {
            signal: abort.signal,
            onKey() {
              seen += 1;
              if (seen > share * 29_000) abort.abort();
            },
          },
        );
        expect(first.end).toMatchObject({ reason: 'aborted' });
        const rest = await scan(
          redis.port,
          { resume: stored(first.end.position) },
          { into: first },
        );
        expect(rest.end).toMatchObject({ reason: 'done', position: null });
        expect(rest.repeated.size).toBe(0);
        expect(totals(rest)).toEqual(totals(whole));
        const figures = ({ end }: Scanned) =>
          end.databases.map(({ db, seen, complete, keys_before }) => ({
            db,
            seen,
            complete,
            keys_before,
          }));
        expect(figures(rest)).toEqual(figures(whole));
      }
    },
  );

  it('gives positions on its way that fit what the sink has got by then', async () => {
    const { redis } = await twoDatabases();
    const checkpoints: { position: ScanPosition; so: Omit<Scanned, 'end'> }[] = [];
    const so = { facts: new Map(), repeated: new Map() };
    await scan(
      redis.port,
      { cursors: 4, pace: { duty: 0.08 } },
      { into: so, position: (position) => checkpoints.push({ position, so: copy(so) }) },
    );
    expect(checkpoints.length).toBeGreaterThan(0);
    for (const checkpoint of checkpoints) {
      const rest = await scan(
        redis.port,
        { resume: stored(checkpoint.position) },
        { into: checkpoint.so },
      );
      expect(names(rest)).toEqual(names(so));
      expect(rest.repeated.size).toBe(0);
    }
  });

  it('does not go on in another process, whose table has another order', async () => {
    const { redis } = await twoDatabases();
    const abort = new AbortController();
    const { end } = await scan(
      redis.port,
      {},
      { signal: abort.signal, onKey: () => abort.abort() },
    );
    redis.kill('SIGKILL');
    await until(() =>
      command(redis.port, 'PING').then(
        () => false,
        () => true,
      ),
    );
    execFileSync('/bin/sh', ['-c', redis.startCommand]);
    await until(() =>
      command(redis.port, 'PING').then(
        (reply) => reply.includes('PONG'),
        () => false,
      ),
    );
    await expect(scan(redis.port, { resume: stored(end.position) })).rejects.toThrow(
      StalePositionError,
    );
  });
});
