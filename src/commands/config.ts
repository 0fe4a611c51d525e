import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerCheck } from './config/check.js';
import { registerInit } from './config/init.js';
import { registerShow } from './config/show.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
The configuration is the file given with --config or CACHE_OPS_CONFIG, or the nearest
cache-ops.yaml upwards. With no file, REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_PASSWORD,
REDIS_DB) and DATABASE_URL are the estate; a .env file in the working folder counts too.

Examples:
  $ cache-ops config init                      a first cache-ops.yaml, without secrets
  $ cache-ops config check                     all problems at once, with their lines
  $ cache-ops config show                      what is in force, secrets hidden
  $ cache-ops config schema > cache-ops.schema.json
                                               for an editor: the first line of the file is then
                                               # yaml-language-server: $schema=cache-ops.schema.json`,
  );
  registerInit(command, context);
  registerShow(command, context);
  registerCheck(command, context);
  command
    .command('schema')
    .description('the format of the configuration file as JSON Schema (draft 2020-12)')
    .action(async () => {
      const { inputSchema } = await import('../config/input-schema.js');
      context.stdout.write(`${JSON.stringify(inputSchema(), null, 2)}\n`);
    });
}
