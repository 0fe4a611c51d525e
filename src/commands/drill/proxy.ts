import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { emitLine } from '../../output/emit.js';
import { parseHostPort } from '../../redis/target.js';
import { oneRedis } from './request.js';

/** The process that applications go through for good, so that a drill can spoil their network. */
export function registerProxy(parent: Command, context: Context): void {
  parent
    .command('proxy')
    .description('run the proxy that network drills use where Redis is on another machine')
    .argument('[target]', 'a Redis of the configuration (default: the only one)')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined) => {
      const config = await context.config();
      const target = oneRedis(config, name);
      const { control } = target.config;
      const [seed] = target.seeds;
      if (!control?.proxy)
        throw new CacheOpsError(
          'config',
          `no proxy is configured for ${target.name}`,
          `redis.${target.name}.control: { proxy: { listen: "127.0.0.1:6380", socket: /run/cache-ops/${target.name}.sock } }`,
        );
      if (target.kind !== 'node' || !seed || !('host' in seed.endpoint))
        throw new CacheOpsError(
          'refused',
          `${target.name} is not one Redis with a host and a port`,
        );
      const { runProxy } = await import('../../drills/proxy/standing.js');
      const folder = config.file ? dirname(config.file) : context.cwd;
      const asLines = context.settings.json || !context.stdout.isTTY;
      await runProxy(
        {
          listen: parseHostPort(control.proxy.listen),
          upstream: seed.endpoint,
          socket: resolve(folder, control.proxy.socket),
        },
        {
          signal: context.signal,
          tell(message) {
            const at = new Date(context.now()).toISOString();
            if (asLines) emitLine(context, { type: 'progress', at, message });
            else context.stdout.write(`${at}  ${message}\n`);
          },
        },
      );
      context.signal.throwIfAborted();
    });
}

const HELP = `
It passes everything on. redis-latency, redis-reset and redis-blackhole have it spoil what goes through,
as long as they run: when a drill ends in any way, all goes through again. When the proxy itself is
killed, applications lose Redis, so let a supervisor run it:

  [Service]
  ExecStart=/usr/bin/cache-ops drill proxy main --config /etc/cache-ops.yaml
  RuntimeDirectory=cache-ops
  Restart=always
  SuccessExitStatus=130

The configuration:
  redis:
    main:
      url: redis://cache-1:6379
      control:
        proxy: { listen: "127.0.0.1:6380", socket: /run/cache-ops/main.sock }

Applications then connect to 127.0.0.1:6380.
`;
