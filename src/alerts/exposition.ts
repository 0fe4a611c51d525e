import { METRIC_NAMES, METRICS, type MetricName, measure, type Unit } from '../health/metrics.js';
import type { Evaluation } from './evaluate.js';
import type { AlertLine } from './result.js';

/** What a watcher says of itself. */
export interface WatcherFigures {
  leads: boolean;
  evaluations: number;
  /** Milliseconds since 1970 of the last. */
  at: number;
  took_ms: number;
  waiting: number;
  version: string;
}

/**
 * Everything that is known, as Prometheus reads it: base units, seconds rather than milliseconds.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function exposition(
  { subjects, health }: Evaluation,
  alerts: readonly AlertLine[],
  own: WatcherFigures,
): string {
  const families = [
    family(
      'up',
      'whether the target could be looked at',
      'gauge',
      subjects.flatMap(({ name, kind, state }) =>
        state === 'unread' ? [] : sample({ target: name, kind }, Number(state === 'up')),
      ),
    ),
    family(
      'health',
      'the status that cache-ops health gives: 0 ok, 1 unknown, 2 warn, 3 critical',
      'gauge',
      [sample({}, ['ok', 'unknown', 'warn', 'critical'].indexOf(health.status))],
    ),
    ...METRIC_NAMES.map((name) =>
      family(
        nameOf(name),
        METRICS[name].help,
        'gauge',
        subjects.flatMap((subject) => {
          if (subject.kind !== METRICS[name].kind || !subject.figures) return [];
          const value = measure(name, subject.figures);
          if (value === null || value === undefined) return [];
          return sample({ target: subject.name }, inBase(value, METRICS[name].unit));
        }),
      ),
    ),
    family(
      'alert',
      'an alert that is not inactive, by its state',
      'gauge',
      alerts.flatMap((alert) =>
        alert.phase === 'inactive'
          ? []
          : sample(
              {
                rule: alert.rule,
                target: alert.target,
                state: alert.phase,
                severity: alert.severity ?? '',
                inhibited: String(alert.inhibited_by !== null),
                silenced: String(alert.silenced_until !== null),
              },
              1,
            ),
      ),
    ),
    family('watch_leads', 'whether this watcher tells the sinks', 'gauge', [
      sample({}, Number(own.leads)),
    ]),
    family('watch_evaluations_total', 'evaluations since this watcher was started', 'counter', [
      sample({}, own.evaluations),
    ]),
    family('watch_last_evaluation_timestamp_seconds', 'when the last evaluation was', 'gauge', [
      sample({}, own.at / 1_000),
    ]),
    family('watch_last_evaluation_duration_seconds', 'how long it took', 'gauge', [
      sample({}, own.took_ms / 1_000),
    ]),
    family('watch_messages_waiting', 'messages times sinks that wait on disk', 'gauge', [
      sample({}, own.waiting),
    ]),
    family('build_info', 'the version of cache-ops', 'gauge', [
      sample({ version: own.version }, 1),
    ]),
  ];
  return families.join('');
}

/** `memory.used_ratio` as `memory_used_ratio`, `latency.p95_ms` as `latency_p95_seconds`. */
function nameOf(name: MetricName): string {
  return name.replaceAll('.', '_').replace(/_ms$/, '_seconds');
}

const inBase = (value: number, unit: Unit) => (unit === 'ms' ? value / 1_000 : value);

function family(
  name: string,
  help: string,
  type: 'gauge' | 'counter',
  samples: readonly string[],
): string {
  if (samples.length === 0) return '';
  const whole = `cache_ops_${name}`;
  const lines = samples.map((line) => `${whole}${line}\n`).join('');
  return `# HELP ${whole} ${help}\n# TYPE ${whole} ${type}\n${lines}`;
}

function sample(labels: Record<string, string>, value: number): string {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}="${escaped(text)}"`);
  return `${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
}

/** Backslash, quote and line feed. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
