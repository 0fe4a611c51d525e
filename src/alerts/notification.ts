export type Severity = 'warn' | 'critical';

/** One alert as people are told of it. It is the same alert as long as its `fingerprint` is the same. */
export interface Alert {
  /** Rule and target, such as "memory redis:main". */
  fingerprint: string;
  rule: string;
  /** "redis:main", "postgres:main", "queue:bull/orders", "application:backend". */
  target: string;
  severity: Severity;
  state: 'firing' | 'resolved';
  /** ISO times. */
  startedAt: string;
  endedAt?: string;
  /** The value that was judged; null where it could not be measured. */
  value: number | null;
  /** One line: what is the case, with its basis. */
  summary: string;
  /** One line of the runbook: what to do. */
  action: string;
}

/** What a sink delivers in one message: the alerts of one group that changed or are to be repeated. */
export interface Notification {
  /** The same at every attempt, so that the other side can tell a repeated delivery: the idempotency key. */
  id: string;
  kind: 'firing' | 'resolved' | 'repeat' | 'test';
  /** ISO time. */
  at: string;
  estate: string;
  environment: string;
  /** The target that the alerts are grouped by. */
  group: string;
  /** Never empty. */
  alerts: Alert[];
}
