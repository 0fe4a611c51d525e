import { type RuleBook, readRules } from '../../alerts/rules.js';
import type { Config } from '../../config/load.js';
import type { Problem } from '../../config/problems.js';
import { readSinks, type SinkConfig } from '../../config/sinks.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { printable } from '../../output/format.js';

/** The configuration of alerts as far as it makes sense, and what does not. */
export interface Setup {
  config: Config;
  book: RuleBook;
  sinks: SinkConfig[];
  problems: Problem[];
}

export function setUp(config: Config): Setup {
  const book = readRules(config);
  const { sinks, problems } = readSinks(config);
  return { config, book, sinks, problems: [...book.problems, ...problems] };
}

/** What is wrong, a line each on stderr: the rest goes on. With --json the document has it. */
export function sayProblems(
  context: Pick<Context, 'stderr' | 'settings'>,
  { config, problems }: Setup,
): void {
  if (context.settings.json) return;
  for (const { path, message, hint } of problems) {
    const where = `${config.file ?? 'the environment'}: ${path.join('.')}`;
    context.stderr.write(`cache-ops: ${printable(`${where}: ${message}`)}\n`);
    if (hint) context.stderr.write(`  hint: ${printable(hint)}\n`);
  }
}

export function demandTargets({ redis, postgres, applications }: Config): void {
  if ([redis, postgres, applications].some((part) => Object.keys(part).length > 0)) return;
  throw new CacheOpsError(
    'config',
    'there is nothing to watch: no Redis, Postgres or application is configured',
    'set REDIS_URL or DATABASE_URL, or write a cache-ops.yaml: cache-ops config init',
  );
}
