/** Exit codes of every command: the contract with scripts. Codes are only ever added. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  bad: 3,
  partial: 4,
  connect: 5,
  refused: 6,
  notRestored: 7,
  unavailable: 69,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What went wrong, as scripts see it in `error.code` of `--json`. */
const EXIT_BY_CODE = {
  usage: ExitCode.usage,
  config: ExitCode.usage,
  not_found: ExitCode.usage,
  state: ExitCode.failure,
  bad: ExitCode.bad,
  connect: ExitCode.connect,
  refused: ExitCode.refused,
  not_restored: ExitCode.notRestored,
  unavailable: ExitCode.unavailable,
  interrupted: ExitCode.interrupted,
} as const;

export type ErrorCode = keyof typeof EXIT_BY_CODE;

/** An error that the operator can act on: printed as one line and a hint, never with a stack. */
export class CacheOpsError extends Error {
  override readonly name = 'CacheOpsError';
  readonly exit: ExitCode;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
    this.exit = EXIT_BY_CODE[code];
  }
}

/** The message of anything thrown; AggregateError (a refused dual-stack connect) has none of its own. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The `code` of a Node system error (`ECONNREFUSED`, `ENOSPC`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
