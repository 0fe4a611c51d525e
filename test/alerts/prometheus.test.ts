import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAlertmanager } from '../servers/alertmanager.js';
import { binary } from '../servers/binaries.js';
import { until } from '../servers/wait.js';
import { AT, alert, message } from './message.js';
import { deliver, open, sinksOf, temporaryState } from './posting.js';
import { startReceiver } from './receiver.js';

const standing = (...alerts: ReturnType<typeof alert>[]) => ({
  at: AT,
  estate: 'shop',
  environment: 'production',
  alerts,
});

describe.skipIf(!binary('prometheus-alertmanager'))('a real Alertmanager', () => {
  async function estate(more: Record<string, unknown> = {}) {
    const receiver = await startReceiver();
    const manager = await startAlertmanager(receiver.url);
    onTestFinished(() => manager.stop());
    const sinks = sinksOf({ name: 'am', type: 'alertmanager', url: `${manager.url}/`, ...more });
    const outbox = await open(temporaryState(), sinks);
    return {
      outbox,
      sinks,
      /** What it passes on: each change of an alert. */
      passedOn: () =>
        receiver.requests.flatMap(({ body }) =>
          (JSON.parse(body).alerts as { status: string; labels: Record<string, string> }[]).map(
            ({ status, labels }) => `${status} ${labels.alertname} ${labels.severity}`,
          ),
        ),
      async active() {
        const answer = await fetch(`${manager.url}/api/v2/alerts`);
        return (await answer.json()) as Record<string, unknown>[];
      },
    };
  }

  it('sees an alert fire, and end', async () => {
    const { outbox, active, passedOn } = await estate({ labels: { team: 'data' } });
    await outbox.add(message('m-1'));
    expect(await outbox.settle(5_000)).toEqual({ delivered: 1, waiting: 0 });
    await until(async () => (await active()).length > 0);
    expect(await active()).toMatchObject([
      {
        labels: {
          alertname: 'memory',
          target: 'redis:main',
          severity: 'warn',
          estate: 'shop',
          environment: 'production',
          team: 'data',
        },
        annotations: {
          summary: '81 % of maxmemory (207 MB of 256 MB)',
          action: 'find what grows: cache-ops memory bigkeys',
          value: '0.81',
        },
        startsAt: '2026-03-01T11:55:00.000Z',
        status: { state: 'active' },
      },
    ]);
    await until(() => passedOn().length > 0);
    const ended = alert({ state: 'resolved', endedAt: new Date().toISOString() });
    await outbox.add(message('m-2', { kind: 'resolved', alerts: [ended] }));
    expect(await outbox.settle(5_000)).toEqual({ delivered: 2, waiting: 0 });
    await until(() => passedOn().length > 1);
    expect(passedOn()).toEqual(['firing memory warn', 'resolved memory warn']);
    expect(await active()).toEqual([]);
  });

  it('sees a change of the severity as one alert that ends and another that fires', async () => {
    const { outbox, passedOn } = await estate();
    await outbox.add(message('m-1'));
    await outbox.settle(5_000);
    await until(() => passedOn().length === 1);
    const at = new Date().toISOString();
    await outbox.add(message('m-2', { at, alerts: [alert({ severity: 'critical' })] }));
    await outbox.settle(5_000);
    await until(() => passedOn().length === 3);
    expect(passedOn().sort()).toEqual([
      'firing memory critical',
      'firing memory warn',
      'resolved memory warn',
    ]);
  });

  it('keeps what each evaluation repeats, and ends what none repeats for three', async () => {
    const { outbox, active, passedOn } = await estate({ resend: '1s' });
    const start = performance.now();
    // Longer than an alert lives that is not repeated.
    while (performance.now() - start < 4_500) {
      outbox.refresh(standing(alert()));
      await outbox.settle(5_000);
      expect(await active()).toHaveLength(1);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(passedOn()).toEqual(['firing memory warn']);
    await until(() => passedOn().length === 2);
    expect(passedOn()[1]).toBe('resolved memory warn');
  });

  it('takes names as servers have them', async () => {
    const { sinks, active } = await estate();
    const odd = alert({ target: 'queue:bull/"a"\n\u001b', rule: 'own 7', value: null, action: '' });
    expect(await deliver(sinks[0], message('m-1', { alerts: [odd] }))).toMatchObject({ ok: true });
    await until(async () => (await active()).length > 0);
    expect(await active()).toMatchObject([
      { labels: { target: 'queue:bull/"a"\\n\\x1b', alertname: 'own 7' } },
    ]);
  });
});

describe('a file for node_exporter', () => {
  function folder() {
    const path = mkdtempSync(join(tmpdir(), 'cache-ops-textfile-'));
    onTestFinished(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  it('holds what fires, and is replaced as a whole', async () => {
    const at = folder();
    const path = join(at, 'cache_ops.prom');
    const sinks = sinksOf({ name: 'file', type: 'textfile', path });
    const outbox = await open(temporaryState(), sinks);
    const twice = alert({ target: 'queue:a"b\\', value: null, severity: 'critical' });
    outbox.refresh(standing(alert(), twice, twice));
    await outbox.settle(5_000);
    expect(readFileSync(path, 'utf8')).toBe(`# HELP cache_ops_alert 1 for each alert that fires.
# TYPE cache_ops_alert gauge
cache_ops_alert{estate="shop",environment="production",rule="memory",target="redis:main",severity="warn"} 1
cache_ops_alert{estate="shop",environment="production",rule="memory",target="queue:a\\"b\\\\",severity="critical"} 1
# HELP cache_ops_alert_value The value that the alert was judged by.
# TYPE cache_ops_alert_value gauge
cache_ops_alert_value{estate="shop",environment="production",rule="memory",target="redis:main",severity="warn"} 0.81
# HELP cache_ops_alerts_evaluated_timestamp_seconds When the rules were last evaluated.
# TYPE cache_ops_alerts_evaluated_timestamp_seconds gauge
cache_ops_alerts_evaluated_timestamp_seconds{estate="shop",environment="production"} 1772366400
`);
    const { ino, mode } = statSync(path);
    expect((mode & 0o777).toString(8)).toBe('644');
    // A test leaves what is there alone.
    expect(await deliver(sinks[0], message('m-1', { kind: 'test' }))).toMatchObject({
      ok: true,
      answer: `${path} can be written`,
    });
    expect(statSync(path).ino).toBe(ino);
    outbox.refresh(standing());
    await outbox.settle(5_000);
    expect(statSync(path).ino).not.toBe(ino);
    expect(readFileSync(path, 'utf8')).not.toContain('redis:main');
    expect(readdirSync(at)).toEqual(['cache_ops.prom']);
  });

  it('that cannot be written is said, and no message waits for it', async () => {
    const path = join(folder(), 'gone', 'cache_ops.prom');
    const outbox = await open(temporaryState(), sinksOf({ name: 'file', type: 'textfile', path }));
    await outbox.add(message('m-1'));
    outbox.refresh(standing(alert()));
    expect(await outbox.settle(5_000)).toEqual({ delivered: 0, waiting: 0 });
    expect(outbox.status()).toMatchObject([{ error: `cannot write ${path}: ENOENT` }]);
    mkdirSync(join(path, '..'));
    chmodSync(join(path, '..'), 0o755);
    outbox.refresh(standing(alert()));
    await outbox.settle(5_000);
    expect(outbox.notices).toEqual([
      `sink file: delivery fails and is tried again: cannot write ${path}: ENOENT`,
      'sink file: delivers again',
    ]);
  });
});
