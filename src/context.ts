import type { Config } from './config/load.js';
import { parseDuration } from './config/units.js';
import { ExitCode } from './errors.js';
import type { Io } from './io.js';
import { openState, type State } from './state/folder.js';

/** The flags that every command has; set when the command line has been parsed. */
export interface Settings {
  json: boolean;
  quiet: boolean;
  color: boolean;
  sandbox: boolean;
  config?: string;
  /** Longest wait for one answer, in milliseconds. Connecting is capped at 10 s. */
  timeout: number;
}

/** What a command gets: the outside world, its flags, the estate's configuration, and its state. */
export interface Context extends Io {
  settings: Settings;
  exitCode: ExitCode;
  readonly state: State;
  /** The estate's configuration; read and checked at the first call, the same object after that. */
  config(): Promise<Config>;
  /** Reads it anew; what `config` returns stays the old one where that fails. */
  reload(): Promise<Config>;
}

export const DEFAULT_TIMEOUT = 5_000;

export function createContext(io: Io): Context {
  let config: Promise<Config> | undefined;
  const load = async (): Promise<Config> => {
    const { loadConfig } = await import('./config/load.js');
    return loadConfig({
      env: io.env,
      cwd: io.cwd,
      file: context.settings.config,
      sandbox: context.settings.sandbox ? context.state : undefined,
    });
  };
  const context: Context = {
    ...io,
    settings: { json: false, quiet: false, color: true, sandbox: false, timeout: DEFAULT_TIMEOUT },
    exitCode: ExitCode.ok,
    state: openState(io.env),
    config() {
      config ??= load();
      return config;
    },
    async reload() {
      const fresh = await load();
      config = Promise.resolve(fresh);
      return fresh;
    },
  };
  return context;
}

/** The flags as commander hands them over, checked. */
export function settingsFrom(options: Record<string, unknown>, env: Io['env']): Settings {
  const file = options.config ?? env.CACHE_OPS_CONFIG;
  return {
    json: options.json === true,
    quiet: options.quiet === true,
    color: options.color !== false && !env.NO_COLOR,
    sandbox: options.sandbox === true,
    ...(typeof file === 'string' && file !== '' && { config: file }),
    timeout: parseDuration(
      String(options.timeout ?? env.CACHE_OPS_TIMEOUT ?? DEFAULT_TIMEOUT),
      '--timeout',
    ),
  };
}
