import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { TextfileConfig } from '../../config/sinks.js';
import { codeOf } from '../../errors.js';
import type { Alert } from '../notification.js';
import { DeliveryFailure, type Sink, type Standing } from './sink.js';

/** For node_exporter's textfile collector: what fires, written anew after each evaluation. It tells the file's age itself. */
export function textfileSink({ name, path }: TextfileConfig): Sink {
  return {
    name,
    async show(standing) {
      await write(path, metricsOf(standing), (draft) => rename(draft, path));
      return `written to ${path}`;
    },
    async test() {
      // What stands there must not be replaced by a test.
      await write(path, '', async () => {});
      return `${path} can be written`;
    },
  };
}

/** The collector may read at any time: it finds the old file or the new one. Only names that end in .prom are read. */
async function write(
  path: string,
  text: string,
  place: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    // node_exporter is another user.
    const file = await open(draft, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(draft);
  } catch (error) {
    throw new DeliveryFailure('failed', `cannot write ${path}: ${codeOf(error) ?? error}`);
  } finally {
    await rm(draft, { force: true });
  }
}

function metricsOf({ at, estate, environment, alerts }: Standing): string {
  const site = { estate, environment };
  // The collector refuses a whole file for one series that is there twice.
  const series = new Map(
    alerts.map((alert): [string, Alert] => {
      const { rule, target, severity } = alert;
      return [labelled({ ...site, rule, target, severity }), alert];
    }),
  );
  const measured = [...series].filter(([, { value }]) => value !== null);
  return [
    '# HELP cache_ops_alert 1 for each alert that fires.',
    '# TYPE cache_ops_alert gauge',
    ...[...series.keys()].map((labels) => `cache_ops_alert${labels} 1`),
    '# HELP cache_ops_alert_value The value that the alert was judged by.',
    '# TYPE cache_ops_alert_value gauge',
    ...measured.map(([labels, { value }]) => `cache_ops_alert_value${labels} ${value}`),
    '# HELP cache_ops_alerts_evaluated_timestamp_seconds When the rules were last evaluated.',
    '# TYPE cache_ops_alerts_evaluated_timestamp_seconds gauge',
    `cache_ops_alerts_evaluated_timestamp_seconds${labelled(site)} ${Date.parse(at) / 1_000}`,
    '',
  ].join('\n');
}

/** Prometheus' text format: backslash, quote and line feed are escaped in a label's value. */
function labelled(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([key, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    return `${key}="${escaped}"`;
  });
  return `{${pairs.join(',')}}`;
}
