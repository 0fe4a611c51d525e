import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { summary } from './estate.js';
import {
  type Servers,
  startServers,
  startWorkers,
  stopServers,
  type Workers,
  type WorkersOptions,
} from './workers.js';

const DRILL = ['drill', 'worker-crash', 'worker-1', '--yes', '--hold', '100ms', '--timeout', '30s'];
/** Each waits for a lease to end, beside others. */
const LONG = 120_000;
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

describe.concurrent('drill worker-crash', { timeout: LONG }, () => {
  it('kills a worker in the middle of a batch; it goes on elsewhere from its checkpoint, each item once', async () => {
    await withWorkers({}, async (estate) => {
      const pid = estate.pid(1);
      const files = ['--markdown', 'a.md', '--junit', 'a.xml', '--html', 'a.html'];
      const { code, stdout, stderr } = await estate.run([...DRILL, ...files]);
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
      expect(facts.killed_at_item).toBeGreaterThanOrEqual(facts.checkpoint);
      expect(facts.went_on_at_item).toBe(facts.checkpoint);
      expect(code).toBe(0);
      expect(estate.read('a.md')).toContain(`| went on at item | ${facts.checkpoint} |`);
      expect(estate.read('a.xml')).toContain('name="verdict"');
      expect(estate.read('a.html')).toMatch(/Items once<\/dt><dd>80/);
      // Another process is worker-1 now, and nothing of the drill is left.
      expect(estate.pid(1)).toBeGreaterThan(0);
      expect(estate.pid(1)).not.toBe(pid);
      expect(await estate.query('SELECT id FROM asl_schema.asl_screening_tasks')).toEqual([]);
      expect(await estate.open()).toEqual([]);
      const jobs = await estate.run(['queue', 'jobs', `bull:${estate.kind}`, '--json']);
      expect(summary(jobs.stdout)).toMatchObject({ jobs: 0 });
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

  it('fails one that writes results anew, though each is there once', async () => {
    const faulty = `${onTakeUp('NEW.current_index := 0;')}
      CREATE FUNCTION anew() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE asl_schema.asl_screening_results SET result = NEW.result
          WHERE task_id = NEW.task_id AND item_index = NEW.item_index;
        IF FOUND THEN RETURN NULL; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER anew BEFORE INSERT ON asl_schema.asl_screening_results
        FOR EACH ROW EXECUTE FUNCTION anew();`;
    await withWorkers({ faulty }, async (estate) => {
      const { code, stdout } = await estate.run(DRILL);
      const { facts, reasons } = summary(stdout);
      expect(facts).toMatchObject({ items_once: 80, items_twice: 0, went_on_at_item: 0 });
      expect(facts.items_redone).toBe(facts.checkpoint);
      expect(reasons.join('\n')).toMatch(/whose results were saved were done again/);
      expect(code).toBe(3);
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

it('takes a task that is under way, and leaves its rows', async () => {
  await withWorkers({}, async (estate) => {
    const task = await estate.startTask();
    await until(async () => {
      const owners = await estate.query(
        "SELECT 1 FROM asl_schema.asl_screening_batches WHERE owner = 'worker-1' AND state = 'processing'",
      );
      return owners.length > 0;
    });
    const { code, stdout, stderr } = await estate.run([...DRILL, '--task', task]);
    expect(stderr).toBe('');
    expect(summary(stdout)).toMatchObject({
      verdict: 'passed',
      facts: { task, items_once: 80, items_missing: 0 },
    });
    expect(code).toBe(0);
    expect(await estate.query('SELECT status FROM asl_schema.asl_screening_tasks')).toEqual([
      { status: 'completed' },
    ]);
    const again = await estate.run([...DRILL, '--task', task]);
    expect(again.stderr).toMatch(/no task ".*" is under way[\s\S]*task ls --status processing/);
    expect(again.code).toBe(6);
  });
});

it('is planned in a file, too', async () => {
  await withWorkers({ workers: 1 }, async (estate) => {
    const plan = (text: string) => writeFileSync(join(estate.folder, 'plan.yaml'), text);
    plan('{ drill: worker-crash, target: worker-1, max_recover: 60s }');
    const { code, stdout } = await estate.run(['drill', 'check', 'plan.yaml', '--json']);
    expect(JSON.parse(stdout).drills).toMatchObject([
      { drill: 'worker-crash', break: `SIGKILL to process ${estate.pid(1)}` },
    ]);
    expect(code).toBe(0);
    plan('{ drill: worker-crash, break: { with: "true", mend: "true" } }');
    const refused = await estate.run(['drill', 'check', 'plan.yaml']);
    expect(refused.stderr).toMatch(/give workers.NAME.control.command: { kill, alive, start }/);
    expect(refused.code).toBe(2);
  });
});

it('removes what a killed drill has left in the tables, after an hour', async () => {
  await withWorkers({ workers: 1, itemMs: 20 }, async (estate) => {
    const [old, young] = [await estate.startTask(), await estate.startTask()];
    await estate.query(
      "UPDATE asl_schema.asl_screening_tasks SET created_at = now() - interval '61 min' WHERE id = $1",
      [old],
    );
    await estate.run([...DRILL, '--max-degrade', '500ms']);
    expect(await estate.query('SELECT id FROM asl_schema.asl_screening_tasks')).toEqual([
      { id: young },
    ]);
  });
});

describe('drill worker-crash refuses', () => {
  it('a worker that is not known or not there, and says which there are', async () => {
    await withWorkers({}, async (estate) => {
      for (const [argv, code, message] of [
        [['worker-3'], 2, /no worker is named "worker-3"[\s\S]*did you mean worker-[12]/],
        [[], 2, /there is more than one worker[\s\S]*one of worker-1, worker-2/],
        [['worker-1', '--task', 'nope'], 6, /no task "nope" is under way/],
        [['worker-1', '--app', 'fron'], 2, /did you mean front/],
      ] as const) {
        const outcome = await estate.run(['drill', 'worker-crash', ...argv, '--yes']);
        expect(outcome.stderr).toMatch(message);
        expect(outcome.code).toBe(code);
      }
      const list = await estate.run(['drill', 'list', '--json']);
      expect(JSON.parse(list.stdout).drills).toContainEqual(
        expect.objectContaining({ name: 'worker-crash', targets: ['worker-1', 'worker-2'] }),
      );
      const dry = await estate.run(['drill', 'worker-crash', 'worker-1', '--dry-run', '--json']);
      expect(JSON.parse(dry.stdout)).toMatchObject({
        break: `SIGKILL to process ${estate.pid(1)}`,
        task: expect.stringContaining('80 items by front (POST /api/screening)'),
      });
      const pid = estate.pid(1);
      process.kill(pid, 'SIGKILL');
      await until(() => estate.pid(1) === 0);
      const gone = await estate.run(DRILL);
      expect(gone.stderr).toMatch(/there is no process of .*worker-1.pid/);
      expect(gone.code).toBe(6);
    });
  });

  it.each([
    ['where no worker is configured', { withWorkers: false }, /no worker is configured/],
    [
      'an application that is degraded already',
      { degraded: true },
      /front is in memory mode already/,
    ],
  ] as [string, WorkersOptions, RegExp][])('%s', async (_, options, message) => {
    await withWorkers({ ...options, workers: 1 }, async (estate) => {
      const pid = estate.pid(1);
      const { code, stderr } = await estate.run(DRILL);
      expect(stderr).toMatch(message);
      expect(code).toBe(6);
      expect(estate.pid(1)).toBe(pid);
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
