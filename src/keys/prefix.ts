import type { Config } from '../config/load.js';

/** `{prefix}:{env}:`, which every key of the applications begins with. */
export function applicationPrefix({
  keys,
  environment,
}: Pick<Config, 'keys' | 'environment'>): string {
  return `${keys.prefix}:${keys.environment ?? environment}:`;
}
