import type { Command } from 'commander';
import { complete } from '../completion/complete.js';
import type { Context } from '../context.js';

/** Called by the shells' completion scripts, not by people: see completion/scripts.ts. */
export function register(command: Command, context: Context): void {
  command.argument('[words...]').action(async (words: string[]) => {
    try {
      context.stdout.write(await complete(context, command.parent as Command, words));
    } catch {
      // Whoever presses TAB is not helped by an error in the middle of the line.
    }
  });
}
