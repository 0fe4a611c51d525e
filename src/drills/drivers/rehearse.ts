import { CacheOpsError } from '../../errors.js';
import { runShell, type ShellOptions } from '../faults/shell.js';

/** Checks a command without running it: its syntax, and that its program is there. */
export async function rehearseShell(command: string, options: ShellOptions): Promise<void> {
  const check = (text: string) =>
    runShell(text, options, 5_000).then(
      () => true,
      () => false,
    );
  if (!(await check(`sh -n -c ${quote(command)}`))) {
    throw new CacheOpsError(
      'refused',
      `the command "${command}" is not valid shell`,
      'correct it under control in the configuration',
    );
  }
  const [program = ''] = command.trim().split(/\s+/);
  // Only a plain word can be looked up; `cd x && ...` or `VAR=1 ...` is left to the shell.
  if (/^[\w./-]+$/.test(program) && !(await check(`command -v ${program}`))) {
    throw new CacheOpsError(
      'refused',
      `the program "${program}" of the command "${command}" is not there`,
      'the drill could not restore what it breaks',
    );
  }
}

/** One word for the shell, whatever is in it. */
export function quote(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function refused(message: string, hint: string): CacheOpsError {
  return new CacheOpsError('refused', message, hint);
}
