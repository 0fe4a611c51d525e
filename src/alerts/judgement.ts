import { METRICS, type MetricName } from '../health/metrics.js';
import type { Severity } from '../health/rule.js';

/** What a rule says of a subject. */
export type Judgement =
  | { applies: false }
  | {
      applies: true;
      /** Null where it could not be had; `summary` says why. */
      value: number | null;
      severity: Severity | null;
      /** Not bad any more, but not good yet. */
      held: boolean;
      summary: string;
      /** Not known yet, since it takes more than one look. */
      learning?: boolean;
    };

/** Of a value that could not be had: whether a second look may have it. */
export function missing(metrics: readonly MetricName[]): Judgement {
  const learning = metrics.every((name) => 'history' in METRICS[name]);
  const names = metrics.join(', ');
  return unknown(
    learning ? `${names} takes more than one look` : `${names} cannot be measured`,
    learning,
  );
}

export function unknown(summary: string, learning = false): Judgement {
  return { applies: true, value: null, severity: null, held: false, summary, learning };
}
