import * as z from 'zod/mini';
import { readDocument } from '../config/document.js';
import { issueMessage, problemsOf } from '../config/problems.js';
import { duration } from '../config/units.js';
import { CacheOpsError } from '../errors.js';
import { EXPERIMENTS } from './catalogue.js';

const text = (description: string) => z.string().check(z.minLength(1), z.describe(description));

/** Milliseconds, or text such as 500ms or 2s. */
const time = z.pipe(
  z.union([z.int().check(z.nonnegative()), z.string()]),
  z.transform((value, context) => {
    const number = typeof value === 'number' ? value : duration(value);
    if (number !== undefined) return number;
    context.issues.push({
      code: 'custom',
      input: value,
      message: `"${value}" is not a duration; write 500ms, 2s or 5m`,
    });
    return z.NEVER;
  }),
);

const names = EXPERIMENTS.map(({ name }) => name);

/** One experiment of a team's own: a drill of the catalogue, with its own limits or its own commands. */
const experiment = z.strictObject({
  drill: z.enum(names as [string, ...string[]]).check(z.describe('what is broken')),
  name: z.optional(text('how the report calls it; the drill where it is left out')),
  target: z.optional(
    text('a Redis, Postgres or worker of the configuration; the only one where it is left out'),
  ),
  task: z.optional(text('for worker-crash: a split task that is under way, by its id')),
  applications: z.optional(z.array(text('an application of the configuration'))),
  break: z.optional(
    z
      .strictObject({ with: text('shell command that breaks it'), mend: text('and that mends it') })
      .check(z.describe("commands of one's own, in place of the configured control")),
  ),
  settle: z.optional(time),
  hold: z.optional(time),
  max_degrade: z.optional(time),
  max_recover: z.optional(time),
  deadline: z.optional(time),
  delay: z.optional(time),
  jitter: z.optional(time),
  min_availability: z.optional(
    z.number().check(z.minimum(0), z.maximum(100), z.describe('percent')),
  ),
  allow_data_loss: z._default(z.boolean(), false),
});
export type PlannedDrill = z.infer<typeof experiment>;

const suite = z.strictObject({
  suite: text('name of the suite'),
  drills: z.array(experiment).check(z.minLength(1)),
});

/** What a plan file holds: several drills in their order, or one. */
export interface PlanFile {
  suite: string | null;
  drills: PlannedDrill[];
}

/** Reads a plan; throws `config` with the first problem and its place in the file. */
export function readPlan(source: string, file: string): PlanFile {
  const { value, syntax, placeOf } = readDocument(source);
  if (syntax) throw broken(file, syntax.place, syntax.message, 0);
  const several = typeof value === 'object' && value !== null && 'suite' in value;
  const parsed = several
    ? suite.safeParse(value, { error: issueMessage })
    : experiment.safeParse(value, { error: issueMessage });
  if (!parsed.success) {
    const [first, ...others] = problemsOf(parsed.error.issues);
    const where = first?.path.join('.') || 'the file';
    throw broken(
      file,
      placeOf(first?.path ?? []),
      `${where}: ${first?.message}`,
      others.length,
      first?.hint,
    );
  }
  const { data } = parsed;
  return 'suite' in data ? data : { suite: null, drills: [data] };
}

function broken(
  file: string,
  place: { line: number; column: number } | undefined,
  message: string,
  others: number,
  hint?: string,
): CacheOpsError {
  const at = place ? `:${place.line}:${place.column}` : '';
  const more = others > 0 ? ` (and ${others} more)` : '';
  return new CacheOpsError(
    'config',
    `${file}${at}: ${message}${more}`,
    hint ?? `a drill is one of ${names.join(', ')}`,
  );
}
