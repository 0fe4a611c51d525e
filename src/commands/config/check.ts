import { dirname } from 'node:path';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { readRules } from '../../alerts/rules.js';
import { certificateProblems } from '../../config/certificates.js';
import { byLine, type Inspection, type Located, located } from '../../config/inspect.js';
import { at, type Problem } from '../../config/problems.js';
import { literalSecrets } from '../../config/secrets.js';
import { readSinks } from '../../config/sinks.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { status } from '../../output/format.js';
import { inspect } from './sources.js';

export function registerCheck(parent: Command, context: Context): void {
  parent
    .command('check')
    .description('everything that is wrong with the configuration, at once (exit 2 if anything is)')
    .addHelpText(
      'after',
      `
Also told: variables that are not set, certificate files that cannot be read, and, as a warning
that does not fail, secrets that stand in the file itself. Connects to nothing.`,
    )
    .action(async () => {
      const result = check(await inspect(context));
      await emit(context, result, renderCheck);
      const { problems } = result;
      if (problems.length === 0) return;
      throw new CacheOpsError(
        'config',
        `${result.source}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`,
        'the format: cache-ops config schema',
      );
    });
}

const finding = z.object({
  /** Where it stands: `redis.main.url`, or the variable it is from. */
  path: z.string(),
  line: z.nullable(z.number()),
  column: z.nullable(z.number()),
  message: z.string(),
  hint: z.nullable(z.string()),
});

const checkResult = z.object({
  ok: z.boolean(),
  /** The file, or "the environment". */
  source: z.string(),
  problems: z.array(finding),
  warnings: z.array(finding),
});
export type CheckResult = z.infer<typeof checkResult>;

export function check(inspection: Inspection): CheckResult {
  const { file, source, raw, resolved, locate } = inspection;
  const certificates = file ? certificateProblems(resolved, dirname(file)) : [];
  const told = new Set(inspection.problems.map(({ label }) => label));
  const others = [...certificates, ...alertProblems(inspection)]
    .map((problem) => located(problem, locate))
    .filter(({ label }) => !told.has(label));
  const problems = [...inspection.problems, ...others].sort(byLine);
  const warnings = warningsOf(inspection, file ? literalSecrets(raw) : []).map((warning) =>
    located(warning, locate),
  );
  return checkResult.parse({
    ok: problems.length === 0,
    source,
    problems: problems.map(toFinding),
    warnings: warnings.map(toFinding),
  });
}

/** They do not make the configuration invalid: the other rules and sinks work. */
function alertProblems({ file, resolved, unresolved, values }: Inspection): Problem[] {
  const sinks = at(resolved, ['alerts', 'sinks']);
  return [
    ...(values ? readRules({ ...values, file }).problems : []),
    ...(Array.isArray(sinks) ? readSinks({ alerts: { sinks }, unresolved }).problems : []),
  ];
}

function warningsOf({ values }: Inspection, literals: readonly Problem['path'][]): Problem[] {
  const empty =
    values && Object.keys(values.redis).length === 0 && Object.keys(values.postgres).length === 0;
  return [
    ...(empty ? [{ path: [], message: 'neither a Redis nor a Postgres is configured' }] : []),
    ...literals.map((path) => ({
      path,
      message: 'a secret stands in this file; write ${NAME} or { file: path } instead',
    })),
  ];
}

function toFinding({ label, place, message, hint }: Located): z.infer<typeof finding> {
  return {
    path: label,
    line: place?.line ?? null,
    column: place?.column ?? null,
    message,
    hint: hint ?? null,
  };
}

export function renderCheck({ ok, source, problems, warnings }: CheckResult): Block[] {
  const rows = [
    ...problems.map((problem) => ({ ...problem, severity: status('problem', 'critical') })),
    ...warnings.map((warning) => ({ ...warning, severity: status('warning', 'warn') })),
  ];
  return [
    ...(rows.length > 0
      ? [
          {
            table: {
              columns: ['severity', 'line', 'path', 'what'],
              rows: rows.map(({ severity, line, path, message }) => [
                severity,
                line,
                path,
                message,
              ]),
            },
          },
        ]
      : []),
    ...(ok ? [{ note: `${source} is fine`, tone: 'ok' as const }] : []),
  ];
}
