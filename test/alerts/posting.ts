import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, clockOf } from '../../src/alerts/clock.js';
import type { Notification } from '../../src/alerts/notification.js';
import { type Outbox, openOutbox } from '../../src/alerts/outbox.js';
import { testSink } from '../../src/alerts/sinks/test.js';
import { readSinks, type SinkConfig } from '../../src/config/sinks.js';
import { openState, type State } from '../../src/state/folder.js';

/** Sinks as the configuration file has them. */
export function sinksOf(...entries: Record<string, unknown>[]): SinkConfig[] {
  const { sinks, problems } = readSinks({
    alerts: { interval: 60_000, sinks: entries },
  });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return sinks;
}

export function temporaryState(): State {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-outbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return openState({ XDG_STATE_HOME: folder });
}

export interface Posting extends Outbox {
  notices: string[];
  /** What the stdout sink wrote. */
  written: string[];
}

/** An outbox as the commands open it; closed when the test ends. */
export async function open(
  state: State,
  sinks: readonly SinkConfig[],
  clock: Clock = clockOf(Date.now),
): Promise<Posting> {
  const notices: string[] = [];
  const written: string[] = [];
  const outbox = await openOutbox(state, sinks, {
    clock,
    pid: process.pid,
    signal: new AbortController().signal,
    notice: (text) => notices.push(text),
    stdout: { write: (text) => written.push(text) },
  });
  onTestFinished(() => outbox.close());
  return Object.assign(outbox, { notices, written });
}

/** One delivery past the queue. */
export function deliver(sink: SinkConfig | undefined, notification: Notification) {
  if (!sink) throw new Error('no sink');
  return testSink(sink, notification, {
    clock: clockOf(Date.now),
    signal: new AbortController().signal,
    stdout: { write: () => {} },
  });
}
