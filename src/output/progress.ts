import type { Context } from '../context.js';
import { printable } from './format.js';

export interface Progress {
  /** Replaces the line that is shown. */
  say(text: string): void;
  stop(): void;
}

/** A spinner on stderr while long work goes on; nothing unless stderr is a terminal. */
export async function startProgress(
  context: Pick<Context, 'stderr' | 'settings'>,
  text: string,
): Promise<Progress> {
  const { stderr, settings } = context;
  // A terminal that does not say its width (a container's) has 0, and ora would clear lines for ever.
  const shown = stderr.isTTY && stderr.columns > 0;
  if (!shown || settings.quiet || settings.json) return { say() {}, stop() {} };
  const { default: ora } = await import('ora');
  // discardStdin would put the terminal into raw mode, where Ctrl-C sends no signal.
  const spinner = ora({ text: printable(text), discardStdin: false }).start();
  return {
    say: (line) => {
      spinner.text = printable(line);
    },
    stop: () => void spinner.stop(),
  };
}
