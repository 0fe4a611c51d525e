import { writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { withDotEnv } from '../../config/environment.js';
import { CONFIG_NAMES, inspectText } from '../../config/inspect.js';
import { starterConfig } from '../../config/starter.js';
import type { Context } from '../../context.js';
import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';

interface Flags {
  file: string;
  force?: boolean;
  dryRun?: boolean;
}

export function registerInit(parent: Command, context: Context): void {
  parent
    .command('init')
    .description('write a first cache-ops.yaml that fits the environment, without secrets')
    .option('--file <file>', 'where to', CONFIG_NAMES[0])
    .option('--force', 'overwrite a file that is there')
    .option('--dry-run', 'print it to stdout and write nothing')
    .addHelpText(
      'after',
      `
Refers to REDIS_URL or REDIS_HOST..., DATABASE_URL, ENV and REDIS_PREFIX, as far as they are set
here or in .env. A file that is there is kept (exit 6) unless --force is given.`,
    )
    .action(async (flags: Flags) => {
      const { text, ...result } = await init(context, flags);
      if (flags.dryRun && !context.settings.json) context.stdout.write(text);
      else await emit(context, flags.dryRun ? { ...result, text } : result, renderInit);
    });
}

const initResult = z.object({
  file: z.string(),
  written: z.boolean(),
  /** Variables that it refers to and that are not set. */
  unset: z.array(z.string()),
  text: z.string(),
});
export type InitResult = z.infer<typeof initResult>;

export async function init(context: Context, flags: Flags): Promise<InitResult> {
  const env = withDotEnv(context.env, context.cwd);
  const file = resolve(context.cwd, flags.file);
  const text = starterConfig(env, basename(context.cwd) || 'default');
  if (!flags.dryRun) write(file, text, flags.force === true);
  const { problems } = await inspectText(text, file, env);
  const unset = problems.flatMap((problem) => problem.unset ?? []);
  return { file, written: !flags.dryRun, unset, text };
}

function write(file: string, text: string, force: boolean): void {
  try {
    writeFileSync(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST')
      throw new CacheOpsError('refused', `${file} is there already`, 'add --force to overwrite it');
    const reason = { ENOENT: 'the folder does not exist', EISDIR: 'it is a folder' }[code ?? ''];
    throw new CacheOpsError('usage', `cannot write ${file}: ${reason ?? messageOf(error)}`);
  }
}

export function renderInit({ file, unset }: Omit<InitResult, 'text'>): Block[] {
  return [
    { note: `Written: ${file}. Next: cache-ops config check`, tone: 'ok' },
    ...unset.map((name) => ({ note: `${name} is not set here.`, tone: 'warn' as const })),
  ];
}
