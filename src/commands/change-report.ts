import type { Context } from '../context.js';
import type { Block } from '../output/blocks.js';
import { emit, emitLine, say } from '../output/emit.js';
import { startProgress } from '../output/progress.js';
import type { AuditEntry } from '../state/audit.js';
import { age, countText } from '../words.js';
import { audited } from './audited.js';

/** So many that were not done are shown; the journal has all. */
const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

/** A change to many keys or jobs, as it is told. */
export interface Told<Outcome, Journal, Summary> {
  /** What they are: `keys`. */
  noun: string;
  total: number;
  item(outcome: Outcome): Record<string, unknown>;
  summary(journal: Journal, took_ms: number): Summary;
  /** For a terminal and a pipe. `shown`: so many that were not done at most. */
  blocks(summary: Summary, journal: Journal, shown: number): Block[];
  /** The line of the audit log; `done` is false where some were not. */
  audit(summary: Summary): Omit<AuditEntry, 'result'> & { done: boolean };
}

/** Tells the operator, or a script, how a change goes; and the audit log how it ended. */
export async function tellChange<
  Outcome,
  Journal extends { position: number },
  Summary extends { resume: string | null },
>(context: Context, told: Told<Outcome, Journal, Summary>) {
  const { settings, now, stdout } = context;
  const { noun, total } = told;
  const shown = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  const progress = await startProgress(context, `${total} ${noun}`);
  const began = now();
  let before = 0;
  return {
    shown,
    start(position: number) {
      before = position;
    },
    async step({ outcomes, position }: { outcomes: readonly Outcome[]; position: number }) {
      const took = Math.max(now() - began, 1);
      const rate = ((position - before) / took) * 1_000;
      const left_ms = Math.round(((total - position) / rate) * 1_000);
      if (settings.json) {
        for (const outcome of outcomes) emitLine(context, { type: 'item', ...told.item(outcome) });
        emitLine(context, { type: 'progress', position, total, rate: Math.round(rate), left_ms });
        await stdout.drained?.();
      }
      const [done, of, speed] = [position, total, rate].map((figure) =>
        countText(Math.round(figure)),
      );
      progress.say(`${done} of ${of} ${noun}, ${speed} a second, ${age(left_ms / 1_000)} left`);
    },
    async end(journal: Journal, how: 'finished' | 'interrupted' | 'failed'): Promise<void> {
      progress.stop();
      const summary = told.summary(journal, now() - began);
      if (settings.json) {
        emitLine(context, { type: 'summary', ...summary });
        // Whoever closed stdout has not read the summary.
        if (how === 'interrupted')
          say(context, `stopped after ${journal.position} ${noun}; go on with: ${summary.resume}`);
      } else await emit(context, summary, (all) => told.blocks(all, journal, shown));
      if (total === 0) return;
      const { done, ...entry } = told.audit(summary);
      const finished = done ? 'done' : 'partly done';
      audited(context, { ...entry, result: how === 'finished' ? finished : how });
    },
  };
}
