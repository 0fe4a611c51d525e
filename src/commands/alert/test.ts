import type { Command } from 'commander';
import * as z from 'zod/mini';
import { clockOf } from '../../alerts/clock.js';
import type { Notification } from '../../alerts/notification.js';
import type { Config } from '../../config/load.js';
import { nearest } from '../../config/nearest.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import type { Block, Cell } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { ms, status } from '../../output/format.js';
import { startProgress } from '../../output/progress.js';
import { sayProblems, setUp } from './setup.js';

export function registerTest(topic: Command, context: Context): void {
  topic
    .command('test')
    .description('send a message that is marked as a test, and show what the other side answers')
    .argument('[sink...]', 'names from alerts.sinks (default: all)')
    .addHelpText(
      'after',
      `
Each sink gets one message in one attempt, past the queue. Exit 3 when one does not take it.

Examples:
  $ cache-ops alert test
  $ cache-ops alert test oncall --json`,
    )
    .action(async (names: string[]) => {
      const result = await test(context, names);
      await emit(context, result, renderTest);
      if (result.problems.length > 0) context.exitCode = ExitCode.partial;
      if (result.sinks.some(({ ok }) => !ok)) context.exitCode = ExitCode.bad;
    });
}

const testResult = z.object({
  sinks: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      ok: z.boolean(),
      /** What the other side said, or why it could not be asked. */
      answer: z.string(),
      took_ms: z.number(),
    }),
  ),
  problems: z.array(z.object({ path: z.string(), message: z.string() })),
});
type TestResult = z.infer<typeof testResult>;

async function test(context: Context, names: string[]): Promise<TestResult> {
  const setup = setUp(await context.config());
  const problems = setup.problems.filter(({ path }) => path[1] === 'sinks');
  sayProblems(context, { ...setup, problems });
  const known = setup.sinks.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CacheOpsError('not_found', `no sink is named "${unknown}"`, nearest(unknown, known));
  const chosen = setup.sinks.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0 && problems.length === 0)
    throw new CacheOpsError(
      'config',
      'no sink is configured',
      'alerts: { sinks: [{ name: oncall, type: webhook, url: ..., secret: ${SECRET} }] }',
    );
  const { testSink } = await import('../../alerts/sinks/test.js');
  const progress = await startProgress(context, `Sending to ${chosen.length} sinks`);
  try {
    const { signal, stdout, now } = context;
    const sinks = await Promise.all(
      chosen.map(async (sink) => ({
        name: sink.name,
        type: sink.type,
        ...(await testSink(sink, messageFor(setup.config, now()), {
          clock: clockOf(now),
          signal,
          stdout,
        })),
      })),
    );
    return testResult.parse({
      sinks,
      problems: problems.map(({ path, message }) => ({ path: path.join('.'), message })),
    });
  } finally {
    progress.stop();
  }
}

function messageFor({ estate, environment }: Config, now: number): Notification {
  const at = new Date(now).toISOString();
  return {
    id: `test-${crypto.randomUUID()}`,
    kind: 'test',
    at,
    estate,
    environment,
    group: 'test',
    alerts: [
      {
        fingerprint: 'test test',
        rule: 'test',
        target: 'test',
        severity: 'warn',
        state: 'firing',
        startedAt: at,
        value: null,
        summary: 'this is a test of cache-ops alert test: nothing is wrong',
        action: 'nothing is to be done',
      },
    ],
  };
}

function renderTest({ sinks }: TestResult): Block[] {
  const rows = sinks.map(({ name, type, ok, answer, took_ms }): Cell[] => [
    name,
    type,
    ok ? status('ok') : status('failed', 'critical'),
    answer,
    ms(took_ms),
  ]);
  return [
    { table: { columns: ['sink', 'type', 'state', 'answer', 'took'], rows, optional: ['took'] } },
  ];
}
