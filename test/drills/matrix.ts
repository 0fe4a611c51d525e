import { describe, expect, it } from 'vitest';
import { identify } from '../../src/state/identity.js';
import { until } from '../servers/wait.js';
import type { Fault } from './doubles.js';
import { type EstateOptions, startEstate, summary } from './estate.js';
import { seed } from './fingerprint.js';
import { modeOf, type Stage } from './stages.js';

export interface Case {
  title: string;
  /** The drill with what it needs. */
  argv: string[];
  /** Lines of its timeline: before the fault, when it is there, when it is to end, and after recovery. */
  breaking: string;
  broken: string;
  mending: string;
  judging?: string;
  options?: EstateOptions;
  /** In place of one Redis with applications; `failing`: with one that does not do what it should. */
  stage?: (failing: boolean) => Promise<Stage>;
  /** Whether a target that nobody mends stays broken; a CLIENT PAUSE ends by itself. */
  lasts?: boolean;
  report?: object;
  /** The application that fails, and what it is told. */
  fails: { double?: Fault; reason: RegExp };
}

type Victim = 'the command line' | 'the watchdog' | 'both';

/**
 * The guarantee of every drill: whatever is killed, and when, the target is restored, with every
 * setting, user and key as before. Tests of one file run side by side: each has an estate of its
 * own. `thorough`: each victim in each phase, rather than where it has gone wrong most.
 */
export function restoresWhateverHappens(test: Case, { thorough = false } = {}): void {
  const { title, argv, breaking, broken, mending, judging = 'the canary is intact' } = test;
  const { lasts = true, report, fails } = test;
  const drill = ['drill', ...argv, '--yes'];
  const [prepared, armed, restored] = [
    'a canary is written',
    'the watchdog is ready',
    'the target is as it was',
  ];
  const before = [armed, breaking, broken, 'writing and reading'];
  const moments = thorough ? [...before, mending, restored, judging] : [broken, mending];
  const kills: [Victim, string][] = thorough
    ? [
        ['the command line', prepared],
        ...moments.flatMap((moment): [Victim, string][] => [
          ['the command line', moment],
          ['the watchdog', moment],
          ['both', moment],
        ]),
      ]
    : [
        ...moments.map((moment): [Victim, string] => ['the command line', moment]),
        ['the watchdog', broken],
        ['both', broken],
      ];

  describe.concurrent(title, () => {
    it('passes a service that falls back, and leaves everything as it was', async () => {
      await onStage(test, false, async (stage, was) => {
        const { code, stdout, stderr } = await stage.run([...drill, '--hold', '600ms']);
        expect(stderr).toBe('');
        const { verdict, reasons, restored_by } = summary(stdout);
        expect([verdict, reasons, restored_by]).toEqual(['passed', [], 'drill']);
        expect(summary(stdout)).toMatchObject({ ...report });
        expect(code).toBe(0);
        await isRestored(stage, was);
      });
    });

    it('fails an application that does not notice, and restores all the same', async () => {
      await onStage(test, true, async (stage, was) => {
        const limits = ['--hold', '600ms', '--max-degrade', '1s', '--max-recover', '2s'];
        const { code, stdout } = await stage.run([...drill, ...limits]);
        const { verdict, restored, reasons } = summary(stdout);
        expect([verdict, restored]).toEqual(['failed', true]);
        expect(reasons.join('\n')).toMatch(fails.reason);
        expect(code).toBe(3);
        await isRestored(stage, was);
      });
    });

    it.each(kills)('restores it after kill -9 of %s at "%s"', async (victim, moment) => {
      await onStage(test, false, async (stage, was) => {
        const run = stage.spawn([...drill, '--hold', '2s']);
        await run.says(moment === prepared ? prepared : armed);
        const watchdog = moment === prepared ? 0 : stage.watchdog();
        await run.says(moment);
        if (victim === 'the watchdog') {
          kill(watchdog);
          const early = before.includes(moment);
          const code = await run.ended;
          expect([summary(run.output).restored, code]).toEqual([true, early ? 3 : 0]);
        } else if (victim === 'the command line') {
          run.kill('SIGKILL');
          await run.ended;
        } else {
          run.kill('SIGSTOP');
          kill(watchdog);
          run.kill('SIGKILL');
          await run.ended;
          // A kill takes a moment to be carried out.
          await until(() => identify(watchdog) === undefined);
          if (moment === broken) {
            expect((await stage.run(['drill', 'status'])).code).toBe(7);
            if (lasts) await expect(stage.fingerprint(300)).resolves.not.toBe(was);
          }
          expect((await stage.run(['drill', 'restore'])).code).toBe(0);
        }
        await isRestored(stage, was);
      });
    });
  });
}

/** One that has ended of itself is as good. */
function kill(watchdog: number): void {
  try {
    process.kill(watchdog, 'SIGKILL');
  } catch {}
}

async function onStage(
  { options, stage: start, fails }: Case,
  failing: boolean,
  work: (stage: Stage, was: string) => Promise<void>,
): Promise<void> {
  const double = failing ? { double: fails.double ?? 'deaf' } : {};
  const stage = await (start ? start(failing) : startSeeded({ ...options, ...double }));
  try {
    const was = await stage.fingerprint();
    expect(was).toContain('mine');
    await work(stage, was);
  } finally {
    await stage.stop();
  }
}

async function startSeeded(options: EstateOptions): Promise<Stage> {
  const estate = await startEstate(options);
  await seed({ port: estate.redis.port, password: 'pass word' });
  return estate;
}

/** The target is as it was, no drill is open that would need anything, and applications are in redis mode. */
export async function isRestored(stage: Stage, was: string): Promise<void> {
  await until(async () => (await stage.fingerprint(500)) === was, {
    timeout: 20_000,
    every: 100,
    what: 'all as before',
  }).catch(async () => expect(await stage.fingerprint()).toBe(was));
  await until(
    async () => {
      const { stdout } = await stage.run(['drill', 'status', '--json']);
      const [open] = JSON.parse(stdout).open;
      return open === undefined || open.state === 'abandoned';
    },
    { timeout: 10_000, every: 100 },
  );
  expect((await stage.run(['drill', 'status'])).code).toBe(0);
  for (const url of stage.urls)
    await until(async () => (await modeOf(url)) === 'redis', { every: 50 });
}
