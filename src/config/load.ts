import { CacheOpsError } from '../errors.js';
import type { Place } from './document.js';
import { type Inspection, inspectConfig, type Sources } from './inspect.js';
import type { Problem } from './problems.js';
import type { ConfigValues } from './schema.js';

/** The checked configuration and where it is from: a file, or `undefined` for the environment. */
export interface Config extends ConfigValues {
  readonly file: string | undefined;
  /** References of `alerts.sinks` that lead nowhere; `readSinks` tells them. */
  readonly unresolved?: readonly Problem[];
}

/**
 * Reads and checks the configuration: flag, then CACHE_OPS_CONFIG, then the nearest file upwards,
 * then the applications' environment variables. A section that a file leaves out altogether
 * (`redis`, `postgres`) is not filled in from the environment: one estate, one source.
 */
export async function loadConfig(sources: Sources): Promise<Config> {
  return demandValid(await inspectConfig(sources));
}

/** The configuration, or an error that says the first problem and how many more there are. */
export function demandValid({ values, file, source, problems, unresolved }: Inspection): Config {
  if (values) return { ...values, file, unresolved };
  const [first, ...others] = problems;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const where = first?.label ? `: ${first.label}` : '';
  throw new CacheOpsError(
    'config',
    `${source}${position(first?.place)}${where}: ${first?.message}${more}`,
    first?.hint && others.length === 0
      ? first.hint
      : 'all problems: cache-ops config check; the format: cache-ops config schema',
  );
}

/** `:12:3`, as editors and terminals make links of it. */
function position(place: Place | undefined): string {
  return place ? `:${place.line}:${place.column}` : '';
}
