import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { METRICS, type Unit } from '../../health/metrics.js';
import type { Block, Cell } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { bytes, count, ms, percent } from '../../output/format.js';
import { sayProblems, setUp } from './setup.js';

export function registerRules(topic: Command, context: Context): void {
  topic
    .command('rules')
    .description('the rules in force: limits, times, what to do, and where each is from')
    .option('--metrics', 'the values that a rule of your own may name')
    .addHelpText(
      'after',
      `
A rule is changed, narrowed or switched off, and rules of your own are added, under alerts.rules:

  alerts:
    rules:
      - { rule: memory, warn: 70%, critical: 85%, clear: 65%, for: 5m }
      - { rule: latency, targets: [redis:far], warn: 100ms }
      - { rule: operations, off: true }
      - { rule: depth, only: ["queue:main/bull:mail"], warn: 200 }
      - name: busy
        when: memory.used_ratio > 70% and clients.connected > 10
        severity: critical
        for: 5m
        action: call the team of the import

Later entries win. Conditions know and, or, not, > >= < <= == !=, + - * /, brackets, and the
units % ms s m h d b kb mb gb.

Examples:
  $ cache-ops alert rules
  $ cache-ops alert rules --metrics                        what may stand in "when"
  $ cache-ops alert rules --json | jq '.rules[] | select(.from != "built in")'`,
    )
    .action(async (flags: { metrics?: boolean }) => {
      if (flags.metrics) return emit(context, metrics(), renderMetrics);
      const setup = setUp(await context.config());
      sayProblems(context, setup);
      const result = rulesResult.parse({
        rules: setup.book.all().map((rule) => ({
          ...rule,
          ...(rule.bounds ?? { worse: null, warn: null, critical: null, clear: null }),
          unit: rule.metric ? METRICS[rule.metric].unit : 'flag',
          for_ms: rule.for,
          keep_ms: rule.keep,
        })),
        problems: setup.problems.map(({ path, message }) => ({ path: path.join('.'), message })),
      });
      await emit(context, result, renderRules);
      if (result.problems.length > 0) context.exitCode = ExitCode.partial;
    });
}

const limit = z.nullable(z.number());

const rulesResult = z.object({
  rules: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['redis', 'postgres', 'queue', 'application']),
      /** The metric or the condition. */
      about: z.string(),
      unit: z.string(),
      worse: z.nullable(z.enum(['above', 'below'])),
      warn: limit,
      critical: limit,
      clear: limit,
      for_ms: z.number(),
      keep_ms: z.number(),
      /** "all", or the targets that this line counts for. */
      targets: z.string(),
      off: z.boolean(),
      from: z.string(),
      action: z.string(),
    }),
  ),
  problems: z.array(z.object({ path: z.string(), message: z.string() })),
});
type RulesResult = z.infer<typeof rulesResult>;

function renderRules({ rules }: RulesResult): Block[] {
  const columns = [
    'on',
    'rule',
    'about',
    'warn',
    'critical',
    'clear',
    'for',
    'keep',
    'targets',
    'off',
    'from',
    'to do',
  ];
  const rows = rules.map((rule): Cell[] => {
    const at = (value: number | null): Cell => limitText(value, rule.unit as Unit, rule.worse);
    return [
      rule.kind,
      rule.name,
      rule.about,
      at(rule.warn),
      at(rule.critical),
      at(rule.clear),
      ms(rule.for_ms),
      ms(rule.keep_ms),
      rule.targets,
      rule.off ? 'off' : null,
      rule.from,
      rule.action,
    ];
  });
  const optional = ['to do', 'keep', 'clear', 'about', 'targets', 'from', 'off', 'on'];
  return [{ table: { columns, rows, optional } }];
}

function limitText(value: number | null, unit: Unit, worse: 'above' | 'below' | null): Cell {
  if (value === null) return null;
  const sign = worse === 'below' ? '<' : '>';
  const text = figure(value, unit);
  return { value, text: `${sign} ${text}` };
}

function figure(value: number, unit: Unit): string {
  if (unit === 'ratio') return percent(value).text;
  if (unit === 'bytes') return bytes(value).text;
  return unit === 'ms' ? ms(value).text : count(value).text;
}

const metricsResult = z.object({
  metrics: z.array(
    z.object({ name: z.string(), kind: z.string(), unit: z.string(), help: z.string() }),
  ),
});

function metrics(): z.infer<typeof metricsResult> {
  return {
    metrics: Object.entries(METRICS).map(([name, { kind, unit, help }]) => ({
      name,
      kind,
      unit,
      help,
    })),
  };
}

function renderMetrics({ metrics: all }: z.infer<typeof metricsResult>): Block[] {
  const rows = all.map(({ name, kind, unit, help }): Cell[] => [name, kind, unit, help]);
  return [
    { table: { columns: ['metric', 'of a', 'unit', 'what it is'], rows, optional: ['unit'] } },
  ];
}
