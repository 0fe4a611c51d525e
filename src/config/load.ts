import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import type { State } from '../state/folder.js';
import { type Environment, estateFromEnvironment, withDotEnv } from './environment.js';
import { resolveReferences } from './references.js';
import { type ConfigValues, configSchema } from './schema.js';

export const CONFIG_NAMES = ['cache-ops.yaml', 'cache-ops.yml', 'cache-ops.json'];

/** The checked configuration and where it is from: a file, or `undefined` for the environment. */
export interface Config extends ConfigValues {
  readonly file: string | undefined;
}

export interface Sources {
  env: Environment;
  cwd: string;
  file?: string | undefined;
  /** Given with `--sandbox`: the state folder that says where the sandbox is. */
  sandbox?: State | undefined;
}

/**
 * Reads and checks the configuration: flag, then CACHE_OPS_CONFIG, then the nearest file upwards,
 * then the applications' environment variables. A section that a file leaves out altogether
 * (`redis`, `postgres`) is not filled in from the environment: one estate, one source.
 */
export async function loadConfig(sources: Sources): Promise<Config> {
  const env = withDotEnv(sources.env, sources.cwd);
  const file = locate(sources);
  if (!file) return check(estateFromEnvironment(env), undefined, 'the environment');
  const text = read(file);
  const raw = await parse(text, file);
  const resolved = resolveReferences(raw, { env, folder: dirname(file), file });
  return check(resolved, file, file);
}

function locate({ file, cwd, sandbox }: Sources): string | undefined {
  if (sandbox) {
    const config = sandbox.sandboxConfig();
    if (config) return config;
    throw new CacheOpsError('not_found', 'no sandbox is up', 'bring one up: cache-ops sandbox up');
  }
  if (file) return resolve(cwd, file);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const found = CONFIG_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found || folder === dirname(folder)) return found;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = {
      ENOENT: 'does not exist',
      EACCES: 'may not be read by this user',
      EISDIR: 'is a folder',
    }[codeOf(error) ?? ''];
    throw new CacheOpsError('config', `${file}: ${reason ?? messageOf(error)}`);
  }
}

async function parse(text: string, file: string): Promise<unknown> {
  const { parseDocument } = await import('./yaml.js');
  const document = parseDocument(text, { prettyErrors: true });
  const problem = document.errors[0];
  if (problem) {
    const [line] = problem.linePos ?? [];
    const place = line ? `:${line.line}:${line.col}` : '';
    throw new CacheOpsError(
      'config',
      `${file}${place}: ${problem.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')}`,
    );
  }
  const value: unknown = document.toJS();
  if (value === null || value === undefined) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value;
  throw new CacheOpsError('config', `${file}: expected a mapping such as "redis: ..." at the top`);
}

function check(value: unknown, file: string | undefined, source: string): Config {
  const result = configSchema.safeParse(value);
  if (result.success) return { ...result.data, file };
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`,
  );
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new CacheOpsError(
    'config',
    `${source}: ${problems[0]}${more}`,
    'all problems: cache-ops config check; the format: cache-ops config schema',
  );
}
