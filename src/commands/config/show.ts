import type { Command } from 'commander';
import * as z from 'zod/mini';
import { demandValid } from '../../config/load.js';
import { redact } from '../../config/secrets.js';
import type { Context } from '../../context.js';
import { say } from '../../output/emit.js';
import { json, printable } from '../../output/format.js';
import { inspect } from './sources.js';

export function registerShow(parent: Command, context: Context): void {
  parent
    .command('show')
    .description('the configuration in force, defaults included, secrets hidden')
    .addHelpText(
      'after',
      `
YAML on stdout, or one JSON document {"file", "config"} with --json. Every secret is shown as ***:
passwords, tokens, headers, and what { file: path } has read; URLs keep their user and host.`,
    )
    .action(async () => {
      const result = await show(context);
      if (context.settings.json) {
        context.stdout.write(`${json(result)}\n`);
        return;
      }
      say(context, `from ${result.file ?? 'the environment'}`);
      context.stdout.write(await renderShow(result));
    });
}

const showResult = z.object({
  /** Null when the environment is the source. */
  file: z.nullable(z.string()),
  config: z.record(z.string(), z.unknown()),
});
export type ShowResult = z.infer<typeof showResult>;

export async function show(context: Context): Promise<ShowResult> {
  const inspection = await inspect(context);
  const { file, unresolved: _, ...values } = demandValid(inspection);
  return showResult.parse({ file: file ?? null, config: redact(values, inspection.raw) });
}

export async function renderShow({ config }: ShowResult): Promise<string> {
  const { stringify } = await import('../../config/yaml.js');
  const text = stringify(config, { lineWidth: 0 });
  return text.split('\n').map(printable).join('\n');
}
