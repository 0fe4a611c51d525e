import { messageOf } from '../errors.js';
import { type Latency, latencyOf } from '../redis/latency.js';

/** One connection or client of the test. What rejects counts as an error of that operation. */
export interface LoadClient {
  write(key: number): Promise<void>;
  /** Rejects when what is read is not what was written. */
  read(key: number): Promise<void>;
  close(): void;
}

/** What the load is put on, and how its keys are removed again. */
export interface Subject {
  open(): Promise<LoadClient>;
  /** Removes keys 0 to `count` - 1; returns how many may still be there, and why. */
  remove(count: number): Promise<Leftovers>;
}

export interface Leftovers {
  keys: number;
  reason: string | null;
}

export interface Plan {
  writes: number;
  writeClients: number;
  reads: number;
  readClients: number;
}

interface Watcher {
  signal: AbortSignal;
  onProgress(text: string): void;
  /** Hears of what could not be removed, after an abort too. */
  onLeft(leftovers: Leftovers): void;
}

/** One half of the test. Latency is in milliseconds, over the operations that succeeded. */
export interface Phase {
  phase: 'write' | 'read';
  clients: number;
  operations: number;
  errors: number;
  first_error: string | null;
  took_ms: number;
  per_s: number;
  latency: Latency | null;
}

/** The bars of the runbook: each phase over 1,000 operations a second, p99 under 50 ms, no error. */
const BARS = { per_s: 1_000, p99_ms: 50 } as const;

/**
 * Writes, then reads what was written. Every client waits for its answer before it asks again. What was
 * written is removed when this settles, also after an abort, which ends it when the operations under way
 * have ended: one that is cut off could still be carried out behind the removal.
 */
export async function putLoad(
  subject: Subject,
  plan: Plan,
  { signal, onProgress, onLeft }: Watcher,
): Promise<Phase[]> {
  const phases: Phase[] = [];
  try {
    for (const phase of ['write', 'read'] as const) {
      const operations = phase === 'write' ? plan.writes : plan.reads;
      const clients = phase === 'write' ? plan.writeClients : plan.readClients;
      if (operations === 0) continue;
      onProgress(`${operations} ${phase}s by ${clients} clients`);
      phases.push(await run(subject, phase, { operations, clients, keys: plan.writes }, signal));
      signal.throwIfAborted();
    }
  } finally {
    onProgress('Removing what was written');
    const left = await subject
      .remove(plan.writes)
      .catch((error: unknown) => ({ keys: plan.writes, reason: messageOf(error) }));
    if (left.keys > 0) onLeft(left);
  }
  return phases;
}

interface Size {
  operations: number;
  clients: number;
  /** How many keys there are to read. */
  keys: number;
}

async function run(
  subject: Subject,
  phase: Phase['phase'],
  { operations, clients, keys }: Size,
  signal: AbortSignal,
): Promise<Phase> {
  const opened = await openAll(subject, clients);
  const times: number[] = [];
  let next = 0;
  let errors = 0;
  let first: string | null = null;
  const drive = async (client: LoadClient) => {
    while (next < operations && !signal.aborted) {
      const number = next;
      next += 1;
      const start = performance.now();
      try {
        // Reads go over all keys, in no order: neighbours in time are not neighbours in the store.
        await (phase === 'write' ? client.write(number) : client.read((number * 7_919) % keys));
        times.push(performance.now() - start);
      } catch (error) {
        errors += 1;
        first ??= messageOf(error);
      }
    }
  };
  const start = performance.now();
  try {
    await Promise.all(opened.map(drive));
  } finally {
    for (const client of opened) client.close();
  }
  const took = performance.now() - start;
  return {
    phase,
    clients,
    operations: next,
    errors,
    first_error: first,
    took_ms: Math.round(took),
    per_s: Math.round((times.length * 1_000) / took),
    latency: latencyOf(times) ?? null,
  };
}

async function openAll(subject: Subject, count: number): Promise<LoadClient[]> {
  const opening = await Promise.allSettled(Array.from({ length: count }, () => subject.open()));
  const opened = opening.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const failed = opening.find((one) => one.status === 'rejected');
  if (!failed) return opened;
  for (const client of opened) client.close();
  throw failed.reason;
}

/** Why a phase misses the bars; empty when it does not. */
export function missed({ per_s, latency, errors, first_error }: Phase): string[] {
  return [
    ...(errors > 0 ? [`${errors} errors, the first: ${first_error}`] : []),
    ...(per_s > BARS.per_s ? [] : [`${per_s}/s is not over ${BARS.per_s}/s`]),
    ...(latency && latency.p99 < BARS.p99_ms
      ? []
      : [`p99 ${latency ? `${latency.p99} ms` : 'unknown'} is not under ${BARS.p99_ms} ms`]),
  ];
}
