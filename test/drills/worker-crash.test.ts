import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summary } from './estate.js';
import {
  type Servers,
  startServers,
  startWorkers,
  stopServers,
  type Workers,
  type WorkersOptions,
} from './workers.js';

const DRILL = ['drill', 'worker-crash', 'worker-1', '--yes', '--hold', '100ms'];
let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers && stopServers(servers));

/** A trigger that acts when a batch is taken up by another worker than its first. */
const onTakeUp = (body: string) => `
  CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.attempts > OLD.attempts AND OLD.attempts > 0 THEN ${body} END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER act BEFORE UPDATE ON asl_schema.asl_screening_batches
    FOR EACH ROW EXECUTE FUNCTION act();`;

describe.concurrent('drill worker-crash', () => {
  it('kills a worker in the middle of a batch; it goes on elsewhere from its checkpoint, each item once', async () => {
    await withWorkers({}, async (estate) => {
      const pid = estate.pid(1);
      const { code, stdout, stderr } = await estate.run(DRILL);
      expect(stderr).toBe('');
      const report = summary(stdout);
      expect(report).toMatchObject({ verdict: 'passed', reasons: [], restored_by: 'drill' });
      const { facts } = report;
      expect(facts).toMatchObject({
        taken_up_by: 'worker-2',
        items: 80,
        items_once: 80,
        items_twice: 0,
        items_missing: 0,
        items_redone: 0,
      });
      expect(facts.checkpoint % 10).toBe(0);
      expect(facts.checkpoint).toBeGreaterThan(0);
      expect(facts.killed_at_item).toBeGreaterThan(facts.checkpoint);
      expect(facts.went_on_at_item).toBe(facts.checkpoint);
      expect(code).toBe(0);
      // Another process is worker-1 now, and nothing of the drill is left.
      expect(estate.pid(1)).toBeGreaterThan(0);
      expect(estate.pid(1)).not.toBe(pid);
      expect(await estate.query('SELECT id FROM asl_schema.asl_screening_tasks')).toEqual([]);
      expect(await estate.open()).toEqual([]);
    });
  });

  it('fails an application whose workers begin their batch anew', async () => {
    const faulty = `ALTER TABLE asl_schema.asl_screening_results DROP CONSTRAINT asl_screening_results_pkey;
      ${onTakeUp('NEW.current_index := 0;')}`;
    await withWorkers({ faulty }, async (estate) => {
      const { code, stdout } = await estate.run(DRILL);
      const { facts, reasons, restored } = summary(stdout);
      expect(facts.went_on_at_item).toBe(0);
      expect(facts.items_twice).toBe(facts.checkpoint);
      expect(reasons.join('\n')).toMatch(
        /went on at item 0, and not at its checkpoint \d+\n\d+ items .* were done again\n\d+ of 80 items are in the results more than once/,
      );
      expect([restored, code]).toEqual([true, 3]);
    });
  });

  it('fails an application that loses the items since the checkpoint', async () => {
    await withWorkers(
      { faulty: onTakeUp('NEW.current_index := NEW.current_index + 10;') },
      async (estate) => {
        const { code, stdout } = await estate.run(DRILL);
        const { facts, reasons } = summary(stdout);
        expect(facts.went_on_at_item).toBe(facts.checkpoint + 10);
        expect(facts.items_missing).toBe(10);
        expect(reasons.join('\n')).toMatch(/10 of 80 items are missing in the results/);
        expect(code).toBe(3);
      },
    );
  });

  it('fails an application where nobody takes the batch up', async () => {
    await withWorkers({ workers: 1 }, async (estate) => {
      const limits = ['--max-degrade', '3s', '--max-recover', '10s'];
      const { code, stdout } = await estate.run([...DRILL, ...limits]);
      const { reasons, restored, facts } = summary(stdout);
      expect(reasons).toEqual([
        expect.stringMatching(/batch 0 was taken up after \d+ ms, more than 3000 ms/),
      ]);
      // It has gone on once its worker was back.
      expect(facts).toMatchObject({ taken_up_by: 'worker-1', items_once: 40 });
      expect([restored, code]).toEqual([true, 3]);
    });
  });
});

async function withWorkers(
  options: WorkersOptions,
  work: (estate: Workers) => Promise<void>,
): Promise<void> {
  const estate = await startWorkers(servers, options);
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
