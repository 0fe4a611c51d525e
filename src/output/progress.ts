import type { Context } from '../context.js';

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
  if (!stderr.isTTY || settings.quiet || settings.json) return { say() {}, stop() {} };
  const { default: ora } = await import('ora');
  // discardStdin would put the terminal into raw mode, where Ctrl-C sends no signal.
  const spinner = ora({ text, discardStdin: false }).start();
  return {
    say: (line) => {
      spinner.text = line;
    },
    stop: () => void spinner.stop(),
  };
}
