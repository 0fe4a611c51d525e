import type { Alert, Notification } from '../../src/alerts/notification.js';

export const AT = '2026-03-01T12:00:00.000Z';

export function alert(changes: Partial<Alert> = {}): Alert {
  return {
    fingerprint: 'memory redis:main',
    rule: 'memory',
    target: 'redis:main',
    severity: 'warn',
    state: 'firing',
    startedAt: '2026-03-01T11:55:00.000Z',
    value: 0.81,
    summary: '81 % of maxmemory (207 MB of 256 MB)',
    action: 'find what grows: cache-ops memory bigkeys',
    ...changes,
  };
}

export function message(id: string, changes: Partial<Notification> = {}): Notification {
  return {
    id,
    kind: 'firing',
    at: AT,
    estate: 'shop',
    environment: 'production',
    group: 'redis:main',
    alerts: [alert()],
    ...changes,
  };
}
