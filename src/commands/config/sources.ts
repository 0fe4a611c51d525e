import { type Inspection, inspectConfig } from '../../config/inspect.js';
import type { Context } from '../../context.js';

/** The configuration that the flags and the environment lead to, right or wrong. */
export function inspect({ env, cwd, settings, state }: Context): Promise<Inspection> {
  return inspectConfig({
    env,
    cwd,
    file: settings.config,
    sandbox: settings.sandbox ? state : undefined,
  });
}
