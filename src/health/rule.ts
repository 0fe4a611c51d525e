import type { Figures, Kind, MetricName } from './metrics.js';

export type Severity = 'warn' | 'critical';

/** When a value is bad, and when it is good again. */
export interface Bounds {
  worse: 'above' | 'below';
  warn: number | null;
  critical: number | null;
  /** Good again at this, short of `warn`, so that a value at the limit is not now bad, now good. */
  clear: number | null;
}

/** What is judged, by which limits, and what to do about it. Times in ms. */
export interface Rule<K extends Kind = Kind> extends Bounds {
  /** Unique among the rules for its kind. */
  name: string;
  kind: K;
  metric: MetricName;
  /** What `health` calls it, where that is not its name. */
  finding?: string;
  /** Bad for so long before it fires. */
  for: number;
  /** Good for so long before it is resolved. */
  keep: number;
  /** A line of the runbook: what to do. */
  action: string;
  /** Where the value says nothing, such as a ratio of next to nothing. */
  applies?(figures: Figures[K]): boolean;
  /** What is the case, with its basis. */
  say(figures: Figures[K], value: number): string;
}

/** How bad a value is. */
export interface Level {
  severity: Severity | null;
  /** Not bad any more, but not yet past `clear`. */
  held: boolean;
}

/** How bad a value is that has been as bad as `current` so far. */
export function levelOf(bounds: Bounds, value: number, current: Severity | null = null): Level {
  const { worse, warn, critical, clear } = bounds;
  const beyond = (limit: number | null) =>
    limit !== null && (worse === 'above' ? value > limit : value < limit);
  const first = warn ?? critical;
  // From critical to warn by the same distance as from warn to good.
  const eased = critical === null || first === null ? null : critical - (first - (clear ?? first));
  if (beyond(critical)) return { severity: 'critical', held: false };
  if (current === 'critical' && beyond(eased)) return { severity: 'critical', held: true };
  if (beyond(warn)) return { severity: 'warn', held: false };
  if (current !== null && beyond(clear))
    return { severity: warn === null ? 'critical' : 'warn', held: true };
  return { severity: null, held: false };
}
