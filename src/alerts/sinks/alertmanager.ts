import type { AlertmanagerConfig } from '../../config/sinks.js';
import { printable } from '../../words.js';
import type { Alert, Notification } from '../notification.js';
import { post } from './http.js';
import type { Attempt, Sink } from './sink.js';

/** An alert that is not repeated for so many evaluations has ended for Alertmanager, as Prometheus does it. */
const MISSED = 3;

/**
 * Prometheus Alertmanager, API v2. What fires is sent anew after each evaluation with an end in the near future:
 * if nobody repeats it, it ends by itself.
 */
export function alertmanagerSink(config: AlertmanagerConfig): Sink {
  const { name, url, headers, resend } = config;
  const address = `${url.replace(/\/+$/, '')}/api/v2/alerts`;
  const send = async (alerts: readonly Posted[], attempt: Attempt) => {
    if (alerts.length === 0) return 'nothing fires';
    const { status } = await post(address, JSON.stringify(alerts), headers, attempt);
    return `${status}, ${alerts.length} ${alerts.length === 1 ? 'alert' : 'alerts'}`;
  };
  const until = (now: number) => new Date(now + MISSED * resend).toISOString();
  return {
    name,
    send({ notifications }, attempt) {
      const posted = notifications.flatMap((message) =>
        message.alerts.flatMap((alert) => postedOf(alert, message, config, until(attempt.now))),
      );
      return send(posted, attempt);
    },
    show(standing, attempt) {
      const posted = standing.alerts.map((alert) =>
        firing(alert, standing, config, until(attempt.now)),
      );
      return send(posted, attempt);
    },
  };
}

interface Posted {
  /** Texts only: a number is answered with 400. */
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

type Estate = Pick<Notification, 'estate' | 'environment'>;

/** The severity is a label, and another severity is another alert there: the other one ends with it. */
function postedOf(
  alert: Alert,
  message: Notification,
  config: AlertmanagerConfig,
  until: string,
): Posted[] {
  const other: Alert = { ...alert, severity: alert.severity === 'warn' ? 'critical' : 'warn' };
  const end = alert.endedAt ?? message.at;
  return alert.state === 'firing'
    ? [firing(alert, message, config, until), ended(other, message, config, message.at)]
    : [ended(alert, message, config, end), ended(other, message, config, end)];
}

function ended(alert: Alert, estate: Estate, config: AlertmanagerConfig, end: string): Posted {
  // An end before the start is answered with 400.
  return firing(alert, estate, config, end < alert.startedAt ? alert.startedAt : end);
}

function firing(alert: Alert, estate: Estate, config: AlertmanagerConfig, endsAt: string): Posted {
  const labels = {
    ...config.labels,
    alertname: alert.rule,
    target: alert.target,
    severity: alert.severity,
    estate: estate.estate,
    environment: estate.environment,
  };
  return {
    labels: texts(labels),
    annotations: texts({
      summary: alert.summary,
      action: alert.action,
      value: alert.value === null ? '' : String(alert.value),
    }),
    startsAt: alert.startedAt,
    endsAt,
  };
}

function texts(values: Record<string, string>): Record<string, string> {
  const filled = Object.entries(values).filter(([, value]) => value !== '');
  return Object.fromEntries(filled.map(([key, value]) => [key, printable(value)]));
}
