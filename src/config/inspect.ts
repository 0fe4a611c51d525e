import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import type { State } from '../state/folder.js';
import type { Place } from './document.js';
import { type Environment, estateFromEnvironment, variableOf, withDotEnv } from './environment.js';
import { issueMessage, type Path, type Problem, problemsOf } from './problems.js';
import { resolveReferences } from './references.js';
import { type ConfigValues, configSchema } from './schema.js';

/** Where the sinks stand in the configuration. */
const SINKS: Path = ['alerts', 'sinks'];

export const CONFIG_NAMES = ['cache-ops.yaml', 'cache-ops.yml', 'cache-ops.json'];

export interface Sources {
  env: Environment;
  cwd: string;
  file?: string | undefined;
  /** Given with `--sandbox`: the state folder that says where the sandbox is. */
  sandbox?: State | undefined;
}

/** A problem with where it stands: `label` is its path in the file, or the variable it is from. */
export interface Located extends Problem {
  label: string;
  place: Place | undefined;
}

/** All that can be said about a configuration, right or wrong. */
export interface Inspection {
  /** Undefined where there is no file: the environment's variables are the source. */
  file: string | undefined;
  /** The file, or "the environment". */
  source: string;
  /** The values as they are written, references and all. Holds secrets if the file does. */
  raw: unknown;
  /** The values with references resolved, before they are checked. Holds secrets. */
  resolved: unknown;
  /** Undefined exactly when there are problems. */
  values: ConfigValues | undefined;
  problems: Located[];
  /** References in `alerts.sinks` that lead nowhere: they cost one sink and not the estate. */
  unresolved: Problem[];
  locate(path: Path): Place | undefined;
}

/** Reads the configuration and finds everything that is wrong with it. Throws only when it cannot be read. */
export async function inspectConfig(sources: Sources): Promise<Inspection> {
  const env = withDotEnv(sources.env, sources.cwd);
  const file = findConfig(sources);
  return file ? inspectText(read(file), file, env) : inspectEnvironment(env);
}

/** The same for a text that stands, or is to stand, in `file`. */
export async function inspectText(
  text: string,
  file: string,
  env: Environment,
): Promise<Inspection> {
  const { readDocument } = await import('./document.js');
  const { value: raw, syntax, placeOf: locate } = readDocument(text);
  const nothing = { resolved: undefined, values: undefined, unresolved: [] };
  const found = { file, source: file, raw, ...nothing, locate };
  const top = syntax ?? topProblem(raw, locate([]));
  if (top) return { ...found, problems: [{ path: [], label: '', ...top }] };
  const unresolved: Problem[] = [];
  const resolved = resolveReferences(raw, {
    env,
    folder: dirname(file),
    problem: (problem) => unresolved.push(problem),
  });
  const isOfSink = ({ path }: Problem) => startsWith(path, SINKS);
  const { values, problems } = check(
    resolved,
    unresolved.filter((problem) => !isOfSink(problem)),
  );
  return {
    ...found,
    resolved,
    unresolved: unresolved.filter(isOfSink),
    values: values && besideFile(values, dirname(file)),
    problems: problems.map((problem) => located(problem, locate)).sort(byLine),
  };
}

/** A problem of a file with where it stands in it. */
export function located(problem: Problem, locate: Inspection['locate']): Located {
  return { ...problem, label: problem.path.join('.'), place: locate(problem.path) };
}

export function byLine(a: Located, b: Located): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0);
}

function inspectEnvironment(env: Environment): Inspection {
  const raw = estateFromEnvironment(env);
  const { values, problems } = check(raw, []);
  return {
    file: undefined,
    source: 'the environment',
    raw,
    resolved: raw,
    values,
    problems: problems.map((problem) => ({
      ...problem,
      label: variableOf(problem.path, env) ?? problem.path.join('.'),
      place: undefined,
    })),
    unresolved: [],
    locate: () => undefined,
  };
}

/** The values, or every problem; what only follows from a reference that leads nowhere is left out. */
function check(value: unknown, unresolved: readonly Problem[]) {
  const result = configSchema.safeParse(value, { error: issueMessage });
  if (result.success && unresolved.length === 0) return { values: result.data, problems: [] };
  const found = problemsOf(result.error?.issues ?? []).filter(
    ({ path }) => !unresolved.some((problem) => startsWith(path, problem.path)),
  );
  return { values: undefined, problems: [...unresolved, ...found] };
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((part, index) => path[index] === part);
}

function topProblem(raw: unknown, place: Place | undefined) {
  const expected = 'expected a mapping such as "redis: ..."';
  const hint = 'write one: cache-ops config init';
  if (raw === null || raw === undefined) return { message: `is empty; ${expected}`, hint, place };
  if (typeof raw === 'object' && !Array.isArray(raw)) return undefined;
  return { message: `${expected} at the top`, hint, place };
}

/** Names of certificate files are relative to the file that they stand in, not to where it is used. */
function besideFile(values: ConfigValues, folder: string): ConfigValues {
  const redis = Object.entries(values.redis).map(([name, config]) => {
    if (typeof config.tls !== 'object') return [name, config] as const;
    const tls = { ...config.tls };
    for (const key of ['ca', 'cert', 'key'] as const)
      if (tls[key] !== undefined) tls[key] = resolve(folder, tls[key]);
    return [name, { ...config, tls }] as const;
  });
  return { ...values, redis: Object.fromEntries(redis) };
}

/** The configuration file that counts; undefined where the environment does. */
export function findConfig({ file, cwd, sandbox }: Sources): string | undefined {
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
      ENOTDIR: 'does not exist',
      EACCES: 'may not be read by this user',
      EISDIR: 'is a folder',
    }[codeOf(error) ?? ''];
    throw new CacheOpsError('config', `${file}: ${reason ?? messageOf(error)}`);
  }
}
