import type { Command } from 'commander';
import * as z from 'zod';
import { parseCount } from '../config/units.js';
import type { Context } from '../context.js';
import { ExitCode, messageOf } from '../errors.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';
import { ms, status } from '../output/format.js';
import { openChannel, StageError } from '../redis/channel.js';
import { label, type RedisTarget, selectRedis } from '../redis/target.js';

export function register(command: Command, context: Context): void {
  command
    .argument('[target...]', 'names from the configuration, or redis:// URLs (default: all)')
    .option('-n, --count <n>', 'pings for the latency percentiles', '5')
    .addHelpText(
      'after',
      `
Examples:
  $ cache-ops ping                       every Redis of the estate
  $ cache-ops ping main --count 100      percentiles over 100 pings`,
    )
    .action(async (targets: string[], options: { count: string }) => {
      const result = await ping(context, { targets, count: parseCount(options.count, '--count') });
      await emit(context, result, renderPing);
      if (!result.ok) context.exitCode = ExitCode.connect;
    });
}

const pingResult = z.object({
  ok: z.boolean(),
  targets: z.array(
    z.object({
      target: z.string(),
      address: z.string(),
      ok: z.boolean(),
      p50: z.number().nullable(),
      error: z.string().nullable(),
    }),
  ),
});
export type PingResult = z.infer<typeof pingResult>;

export async function ping(
  context: Context,
  { targets, count }: { targets: string[]; count: number },
): Promise<PingResult> {
  const config = await context.config();
  const results = await Promise.all(
    selectRedis(config, targets).map((target) => pingOne(context, target, count)),
  );
  return { ok: results.every(({ ok }) => ok), targets: results };
}

async function pingOne(context: Context, target: RedisTarget, _count: number) {
  const [seed] = target.seeds;
  if (!seed) throw new Error('no seed');
  const address = label(seed.endpoint);
  try {
    const channel = await openChannel(seed, {
      timeout: context.settings.timeout,
      signal: context.signal,
    });
    channel.close();
    return {
      target: target.name,
      address,
      ok: true,
      p50: channel.timings.ping ?? null,
      error: null,
    };
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    return {
      target: target.name,
      address,
      ok: false,
      p50: null,
      error: `${error.stage}: ${messageOf(error.cause)}`,
    };
  }
}

export function renderPing({ targets }: PingResult): Block[] {
  return [
    {
      table: {
        columns: ['target', 'address', 'status', 'p50', 'error'],
        rows: targets.map(({ target, address, ok, p50, error }) => [
          target,
          address,
          status(ok ? 'ok' : 'critical'),
          ms(p50),
          error,
        ]),
      },
    },
  ];
}
