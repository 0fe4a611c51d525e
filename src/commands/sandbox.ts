import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../context.js';
import { ExitCode } from '../errors.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';
import { ms, status } from '../output/format.js';
import { startProgress } from '../output/progress.js';
import { sandboxDown, sandboxStatus, sandboxUp } from '../sandbox/sandbox.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
The sandbox is a real Redis with AOF and a password, a real Postgres, two instances of the reference
service, and a worker of a BullMQ and a pg-boss queue whose jobs succeed, fail, hang or are delayed.
All of it is on free ports of the loopback. Every other command uses it with --sandbox.

Examples:
  $ cache-ops sandbox up                            up in seconds; says so when it is up already
  $ cache-ops drill redis-down --yes --sandbox      try a drill where it harms nobody
  $ cache-ops sandbox down                          no process and no file stays behind`,
  );
  command
    .command('up')
    .description('start the servers; returns when they are ready and leaves them running')
    .addHelpText(
      'after',
      `
Needs redis-server, and initdb and postgres: from PATH, from where systems put them, or named by
CACHE_OPS_REDIS_SERVER (the program) and CACHE_OPS_POSTGRES_BIN (the folder). Exit 69 when missing.
A sandbox that is up stays as it is; one that is up in parts only is taken down first.`,
    )
    .action(async () => emit(context, await up(context), renderUp));
  command
    .command('status')
    .description('which processes run, and where (exit 3 unless all of them do)')
    .addHelpText(
      'after',
      '\nExit 0 when the sandbox is up; 3 when it is down, or not all of it runs.',
    )
    .action(async () => {
      const result = statusResult.parse(sandboxStatus(context.state));
      await emit(context, result, renderStatus);
      if (result.state !== 'up') context.exitCode = ExitCode.bad;
    });
  command
    .command('down')
    .description('end every process and remove every file of it; exit 0 also when none is up')
    .addHelpText(
      'after',
      `
Clears up as well after a "sandbox up" that was killed, and interrupts one that is still at work.
Refuses (exit 6) while a drill runs on the sandbox.`,
    )
    .action(async () => emit(context, await down(context), renderDown));
}

const statusResult = z.object({
  state: z.enum(['up', 'degraded', 'starting', 'stopping', 'down']),
  config: z.nullable(z.string()),
  folder: z.nullable(z.string()),
  processes: z.array(
    z.object({
      name: z.string(),
      running: z.boolean(),
      pid: z.nullable(z.number()),
      address: z.nullable(z.string()),
    }),
  ),
});
export type SandboxStatusResult = z.infer<typeof statusResult>;

const upResult = z.extend(statusResult, { already: z.boolean(), took_ms: z.number() });
export type SandboxUpResult = z.infer<typeof upResult>;

const downResult = z.object({
  folder: z.nullable(z.string()),
  processes: z.array(z.object({ name: z.string(), pid: z.number() })),
});
export type SandboxDownResult = z.infer<typeof downResult>;

export async function up(context: Context): Promise<SandboxUpResult> {
  const began = context.now();
  const progress = await startProgress(
    context,
    'Starting Redis, Postgres, two services and a worker',
  );
  try {
    const result = await sandboxUp(context);
    return upResult.parse({ ...result, took_ms: context.now() - began });
  } finally {
    progress.stop();
  }
}

export async function down(context: Context): Promise<SandboxDownResult> {
  const progress = await startProgress(context, 'Taking the sandbox down');
  try {
    return downResult.parse(await sandboxDown(context));
  } finally {
    progress.stop();
  }
}

export function renderUp(result: SandboxUpResult): Block[] {
  const how = result.already
    ? 'The sandbox is up already'
    : `The sandbox is up after ${ms(result.took_ms).text}`;
  return [
    table(result),
    { note: `${how}. Use it like this: cache-ops ping --sandbox`, tone: 'ok' },
    { note: `Its configuration: ${result.config}`, tone: 'dim' },
  ];
}

export function renderStatus(result: SandboxStatusResult): Block[] {
  const { state, config, processes } = result;
  if (state === 'down')
    return [{ note: 'No sandbox is up. To bring one up: cache-ops sandbox up' }];
  const note: Record<typeof state, Block> = {
    up: { note: 'The sandbox is up.', tone: 'ok' },
    degraded: {
      note: config
        ? 'The sandbox is up in parts only. "cache-ops sandbox up" makes a new one.'
        : 'A "sandbox up" did not end. "cache-ops sandbox down" clears up after it.',
      tone: 'critical',
    },
    starting: { note: 'The sandbox is being brought up.', tone: 'warn' },
    stopping: { note: 'The sandbox is being taken down.', tone: 'warn' },
  };
  return [
    ...(processes.length > 0 ? [table(result)] : []),
    note[state],
    ...(config ? [{ note: `Its configuration: ${config}`, tone: 'dim' as const }] : []),
  ];
}

export function renderDown({ folder, processes }: SandboxDownResult): Block[] {
  if (!folder) return [{ note: 'No sandbox was up.' }];
  return [
    {
      note: `The sandbox is down: ${processes.length} processes ended, ${folder} removed.`,
      tone: 'ok',
    },
  ];
}

function table({ processes }: SandboxStatusResult): Block {
  return {
    table: {
      columns: ['process', 'status', 'pid', 'address'],
      rows: processes.map(({ name, running, pid, address }) => [
        name,
        running ? status('running', 'ok') : status('dead', 'critical'),
        pid,
        address,
      ]),
    },
  };
}
