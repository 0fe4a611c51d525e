import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demandBinary } from './binaries.js';
import { freePort } from './ports.js';
import { until } from './wait.js';

export interface Alertmanager {
  url: string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A real Prometheus Alertmanager that is ready when this resolves; it passes every change on to `webhook` within a second or two. */
export async function startAlertmanager(webhook: string, attempts = 3): Promise<Alertmanager> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-alertmanager-'));
  const config = {
    route: {
      receiver: 'hook',
      group_by: ['...'],
      group_wait: '0s',
      group_interval: '1s',
      repeat_interval: '1h',
    },
    receivers: [{ name: 'hook', webhook_configs: [{ url: webhook, send_resolved: true }] }],
  };
  // JSON is YAML.
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn(
    demandBinary('prometheus-alertmanager'),
    [
      `--config.file=${dir}/config.yml`,
      `--storage.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  running.add(child);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGKILL');
    await until(() => ended, { what: 'the end of Alertmanager' });
    running.delete(child);
    rmSync(dir, { recursive: true, force: true });
  };
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(async () => ended || (await isReady()), { what: 'Alertmanager' });
  if (!ended) return { url, stop };
  await stop();
  // Another test may have been quicker to take the port.
  if (attempts > 1) return startAlertmanager(webhook, attempts - 1);
  throw new Error('Alertmanager has ended at its start');
}
