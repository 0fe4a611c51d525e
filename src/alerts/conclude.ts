import type { Moment } from './clock-jump.js';
import { noteEnds } from './groups.js';
import type { Judgement } from './judgement.js';
import { advance } from './machine.js';
import type { RuleBook, RuleInForce } from './rules.js';
import type { AlertState, Standing } from './state.js';
import type { Subject } from './subject.js';

/** One rule on one subject, as it is now. */
export interface Line {
  rule: RuleInForce;
  subject: Subject;
  judgement: Exclude<Judgement, { applies: false }>;
  /** Undefined: all is well. */
  standing: Standing | undefined;
}

/** Judges every subject by every rule, and moves the state on. What does not apply makes no line. */
export function conclude(
  state: AlertState,
  subjects: readonly Subject[],
  book: RuleBook,
  { now }: Pick<Moment, 'now'>,
): Line[] {
  const down = new Set(
    subjects.flatMap((subject) => (subject.state === 'down' ? subject.name : [])),
  );
  const standings: AlertState['standings'] = {};
  const lines: Line[] = [];
  for (const subject of subjects) {
    for (const rule of book.rulesFor(subject.kind, subject.name, subject.group)) {
      const fingerprint = `${rule.name} ${subject.name}`;
      const before = state.standings[fingerprint];
      const judgement = rule.judge(subject, before?.level ?? null);
      const standing = advance(before, rule, subject, judgement, now);
      if (standing) {
        standing.inhibited_by = inhibitor(rule, subject, down);
        standings[fingerprint] = standing;
      }
      if (judgement.applies) lines.push({ rule, subject, judgement, standing });
    }
  }
  for (const [fingerprint, standing] of Object.entries(state.standings)) {
    const hidden = standings[fingerprint] ? undefined : hiddenBy(standing, subjects, book);
    if (hidden)
      standings[fingerprint] = { ...standing, inhibited_by: hidden.within ?? hidden.name };
  }
  state.standings = standings;
  for (const group of Object.values(state.groups)) noteEnds(group, standings, now);
  return lines;
}

/** What is down and makes a message about this needless. */
function inhibitor(
  { name }: RuleInForce,
  subject: Subject,
  down: ReadonlySet<string>,
): string | null {
  const { within } = subject;
  const byWhole = within !== null && down.has(within);
  if (name === 'down') return byWhole && subject.kind === 'redis' ? within : null;
  if (down.has(subject.name)) return subject.name;
  return byWhole ? within : null;
}

/**
 * What keeps a firing alert's own subject from being seen: its target as a whole is down, or its queues
 * cannot be read. One that is gone though all of its kind were seen has ended.
 */
function hiddenBy(
  { phase, target, group, rule }: Standing,
  subjects: readonly Subject[],
  book: RuleBook,
): Subject | undefined {
  if (phase !== 'firing' || subjects.some(({ name }) => name === target)) return undefined;
  const hidden = subjects.find(({ name, state }) => {
    if (state === 'unread') return target.startsWith(name.slice(0, name.indexOf('/') + 1));
    return state === 'down' && name === group;
  });
  const isWatched =
    hidden && book.rulesFor(hidden.kind, target, group).some(({ name }) => name === rule);
  return isWatched ? hidden : undefined;
}
