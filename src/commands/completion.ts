import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import * as z from 'zod/mini';
import { SCRIPT_FILES, SCRIPTS, type Shell } from '../completion/scripts.js';
import type { Context } from '../context.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';

const SHELLS = Object.keys(SCRIPT_FILES) as Shell[];

export function register(command: Command, context: Context): void {
  command
    .addArgument(new Argument('[shell]', 'whose script to print').choices(SHELLS))
    .option('--write <folder>', "write every shell's script into a folder")
    .addHelpText(
      'after',
      `
Completes commands, flags, the names of the configuration and, within 0.3 s, the names of queues.

Examples:
  bash  $ mkdir -p ~/.local/share/bash-completion/completions
        $ cache-ops completion bash > ~/.local/share/bash-completion/completions/cache-ops
        or, without bash-completion, in ~/.bashrc: source <(cache-ops completion bash)
  zsh   $ mkdir -p ~/.zfunc && cache-ops completion zsh > ~/.zfunc/_cache-ops
        and in ~/.zshrc: fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit
  fish  $ cache-ops completion fish > ~/.config/fish/completions/cache-ops.fish`,
    )
    .action(async (shell: Shell | undefined, { write }: { write?: string }) => {
      if (write !== undefined) {
        return emit(context, writeScripts(resolve(context.cwd, write)), renderWritten);
      }
      if (!shell)
        throw new CacheOpsError('usage', 'say for which shell', `one of ${SHELLS.join(', ')}`);
      context.stdout.write(SCRIPTS[shell]);
    });
}

const written = z.object({ files: z.array(z.string()) });

function writeScripts(folder: string): z.infer<typeof written> {
  try {
    if (!existsSync(folder)) mkdirSync(folder);
    const files = SHELLS.map((shell) => {
      const file = join(folder, SCRIPT_FILES[shell]);
      writeFileSync(file, SCRIPTS[shell]);
      return file;
    });
    return { files };
  } catch (error) {
    throw new CacheOpsError('usage', `cannot write to ${folder}: ${messageOf(error)}`);
  }
}

function renderWritten({ files }: z.infer<typeof written>): Block[] {
  return files.map((file) => ({ note: `Written: ${file}` }));
}
