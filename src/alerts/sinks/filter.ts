import type { SinkConfig } from '../../config/sinks.js';
import type { Alert } from '../notification.js';

/** The alerts that a sink is told of: severe enough, and of its targets (`*` stands for any text). */
export function alertsFor(
  { min_severity, targets }: Pick<SinkConfig, 'min_severity' | 'targets'>,
  alerts: readonly Alert[],
): Alert[] {
  const patterns = targets.map(matcher);
  return alerts.filter(
    ({ severity, target }) =>
      (min_severity === 'warn' || severity === 'critical') &&
      patterns.some((pattern) => pattern.test(target)),
  );
}

function matcher(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
