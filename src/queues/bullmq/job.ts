import { ReplyError } from '../../redis/resp.js';
import type { JobFilter } from '../filter.js';
import { blankJob, type Job } from '../job.js';
import type { JobState, QueueRef } from '../queue.js';
import { dueAt } from './keys.js';

/**
 * The fields of a job's hash that make `Job.seen`, in this order, a missing one as an empty text.
 * A retry removes finishedOn, a start counts `ats` up, a failure `atm`, a stall `stc`; versions
 * before 5 count in `attemptsMade`. Of a finished job it is the first alone: that time, which is also
 * its score in the list of its state, is another one when it finishes anew (moveToFinished.lua).
 * Scripts that change a job build the same text.
 */
export const SEEN_FIELDS = [
  'finishedOn',
  'processedOn',
  'atm',
  'attemptsMade',
  'ats',
  'stc',
] as const;
export const SEEN_SEPARATOR = ',';
/** What a list of jobs is made of; `show` reads the rest. */
export const JOB_FIELDS = [
  ...SEEN_FIELDS,
  'name',
  'data',
  'opts',
  'timestamp',
  'priority',
  'failedReason',
] as const;

/** What a choice is made by; the data only to see that a worker will be able to read it. */
const BARE_FIELDS = [...SEEN_FIELDS, 'timestamp', 'data'] as const;

/** The fields to read of each job, and what makes a job of them. */
export interface Reading {
  /** None: the place says it all. */
  fields: readonly string[];
  toJob(queue: QueueRef, place: Place, fields: Fields): Job;
}

/**
 * Whole jobs, or what a filter needs of them. Of a finished one the score in its list is enough to know
 * it again; whether it can be read is found out by what is done to it.
 */
export function readingFor({ states, name, error, data }: JobFilter, bare: boolean): Reading {
  if (!bare || data !== undefined) return { fields: JOB_FIELDS, toJob };
  const finished = states.length > 0 && states.every(isFinished);
  const asked = [
    ...(name === undefined ? [] : ['name']),
    ...(error === undefined ? [] : ['failedReason']),
  ];
  if (!finished) return { fields: [...BARE_FIELDS, ...asked], toJob: bareJob };
  // Every job has a timestamp: one without what is asked about is no ghost.
  return { fields: asked.length > 0 ? ['timestamp', ...asked] : [], toJob: finishedJob };
}

const isFinished = (state: JobState) => state === 'completed' || state === 'failed';

function bareJob(queue: QueueRef, place: Place, fields: Fields): Job {
  const job = finishedJob(queue, place, fields);
  job.created_at = numberOf(fields.timestamp);
  job.finished_at = numberOf(fields.finishedOn);
  if (job.created_at === null || !parseJson(fields.data).ok) job.problem = 'corrupt';
  return job;
}

function finishedJob(queue: QueueRef, place: Place, fields: Fields): Job {
  const job = emptyJob(queue, place, null);
  job.name = fields.name ?? null;
  job.finished_at = place.score ?? null;
  job.error = fields.failedReason ?? null;
  job.seen = seenOf(place, fields);
  return job;
}

/** The fields of a hash that are there. */
export type Fields = Readonly<Record<string, string | undefined>>;

/** Where a job stands: its state, and its score where that is kept in a sorted set. */
export interface Place {
  id: string;
  state: JobState;
  score?: number | undefined;
  /** The score as Redis has written it: to write it anew takes long over 100,000 jobs. */
  written?: string | undefined;
}

function seenOf({ state, score, written }: Place, fields: Fields): string {
  if (isFinished(state) && score !== undefined) return written ?? String(score);
  return SEEN_FIELDS.map((name) => fields[name] ?? '').join(SEEN_SEPARATOR);
}

/** A job from its hash. What cannot be read is left empty, and `problem` says so. */
export function toJob(queue: QueueRef, place: Place, fields: Fields): Job {
  const { id, state, score } = place;
  const data = parseJson(fields.data);
  const opts = optionsOf(fields);
  const whole =
    fields.name !== undefined &&
    numberOf(fields.timestamp) !== null &&
    data.ok &&
    opts !== undefined;
  return {
    ...emptyJob(queue, { id, state }, whole ? null : 'corrupt'),
    name: fields.name ?? null,
    priority: numberOf(fields.priority) ?? numberOf(opts?.priority) ?? 0,
    attempts_made: numberOf(fields.atm) ?? numberOf(fields.attemptsMade) ?? 0,
    // 0, the default, means one attempt as well.
    attempts_max: opts ? Math.max(1, numberOf(opts.attempts) ?? 1) : null,
    created_at: numberOf(fields.timestamp),
    due_at: state === 'delayed' && score !== undefined ? dueAt(score) : null,
    started_at: numberOf(fields.processedOn),
    finished_at: numberOf(fields.finishedOn),
    error: fields.failedReason ?? null,
    data: data.value,
    seen: seenOf(place, fields),
  };
}

/** The state that the fields of a job speak of which stands in no list. */
export function strayPlace(id: string, fields: Fields | ReplyError): Place {
  const { finishedOn, failedReason, processedOn }: Fields =
    fields instanceof ReplyError ? {} : fields;
  if (finishedOn) return { id, state: failedReason === undefined ? 'completed' : 'failed' };
  return { id, state: processedOn ? 'active' : 'waiting' };
}

/** An id behind which there is no hash, or something else than one. */
export function emptyJob(queue: QueueRef, { id, state }: Place, problem: Job['problem']): Job {
  const job = blankJob(queue, id, state);
  job.problem = problem;
  return job;
}

/** The options that it was added with; undefined when they cannot be read. */
export function optionsOf({ opts = '{}' }: Fields): Record<string, unknown> | undefined {
  const { value } = parseJson(opts);
  return value !== null && typeof value === 'object'
    ? (value as Record<string, unknown>)
    : undefined;
}

export function parseJson(text: string | undefined): { ok: boolean; value: unknown } {
  if (text === undefined) return { ok: false, value: undefined };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, value: undefined };
  }
}

/** Null for what is not there or not a number. */
export function numberOf(value: unknown): number | null {
  if (value === undefined || value === null || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}
