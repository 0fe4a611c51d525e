import * as z from 'zod/mini';
import { durationText, filled, name } from './values.js';

/** A number, or one with a unit, which only the rule's own value can tell: 80%, 50ms, 256mb; off: none. */
const limit = (what: string) =>
  z.optional(z.union([z.number(), z.string(), z.literal(false)]).check(z.describe(what)));

/** An entry of `alerts.rules`: a change of a rule that is built in, or a rule of one's own. */
export const ruleSchema = z
  .strictObject({
    rule: z.optional(filled().check(z.describe('a rule that is built in, to change it'))),
    name: z.optional(name.check(z.describe("the name of a rule of one's own"))),
    when: z.optional(
      filled().check(z.describe('fires when it holds, such as "memory.used_ratio > 0.7"')),
    ),
    severity: z.optional(
      z.enum(['warn', 'critical']).check(z.describe("of a rule of one's own; warn if left out")),
    ),
    warn: limit('warns beyond this; "off" for never'),
    critical: limit('is critical beyond this; "off" for never'),
    clear: limit('good again at this'),
    for: z.optional(durationText.check(z.describe('bad for so long before it fires'))),
    keep: z.optional(durationText.check(z.describe('good for so long before it is resolved'))),
    targets: z.optional(
      z
        .array(filled())
        .check(z.minLength(1), z.describe('the entry counts for these, such as "redis:main"')),
    ),
    only: z.optional(
      z
        .array(filled())
        .check(z.minLength(1), z.describe('the rule is off for all targets but these')),
    ),
    off: z.optional(z.boolean()),
    action: z.optional(filled().check(z.describe('what to do: a line of the runbook'))),
  })
  .check(
    z.superRefine((entry, issue) => {
      const say = (path: string, message: string) =>
        issue.addIssue({ code: 'custom', path: [path], message });
      const own = entry.name !== undefined || entry.when !== undefined;
      if (own === (entry.rule !== undefined))
        return say('rule', 'expected either "rule", to change one, or "name" and "when"');
      if (own && entry.name === undefined) say('name', 'is missing; expected text');
      if (own && entry.when === undefined) say('when', 'is missing; expected an expression');
      for (const key of own ? (['warn', 'critical', 'clear'] as const) : (['severity'] as const))
        if (entry[key] !== undefined)
          say(key, own ? 'is for built-in rules; write it into "when"' : 'is for own rules only');
    }),
  );
export type RuleEntry = z.infer<typeof ruleSchema>;
