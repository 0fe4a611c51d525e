import type { Job } from './job.js';
import type { JobState } from './queue.js';

/** Which jobs are meant. Every part that is given must hold; none given means every job. */
export interface JobFilter {
  ids?: readonly string[];
  /** Empty: every state. */
  states: readonly JobState[];
  /** BullMQ's job name. */
  name?: string;
  /** Against the message of the last failure. */
  error?: RegExp;
  /** A place in the data (`user.id`) and the value there, as text. */
  data?: readonly { path: readonly string[]; value: string }[];
  /** Ms since 1970: finished (or, when it is not finished, created) before, and at or after this. */
  before?: number;
  after?: number;
}

/** Whether a filter would take every job of a state: an operation needs `--all` for it. */
export function isEmpty({ ids, name, error, data, before, after }: JobFilter): boolean {
  return [ids, name, error, data, before, after].every((part) => part === undefined);
}

/** Whether a job is meant. What an engine can sort out itself (state, ids, age) it may ask for beforehand. */
export function matches(job: Job, filter: JobFilter): boolean {
  const { ids, states, name, error, data = [], before, after } = filter;
  const at = job.finished_at ?? job.created_at;
  return (
    (states.length === 0 || states.includes(job.state)) &&
    (ids === undefined || ids.includes(job.id)) &&
    (name === undefined || job.name === name) &&
    (error === undefined || (job.error !== null && error.test(job.error))) &&
    data.every(({ path, value }) => asText(valueAt(job.data, path)) === value) &&
    (before === undefined || (at !== null && at < before)) &&
    (after === undefined || (at !== null && at >= after))
  );
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (part, key) =>
      part !== null && typeof part === 'object' && Object.hasOwn(part, key)
        ? (part as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function asText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
