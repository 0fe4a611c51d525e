import type { Bad, Past, Raw } from '../entry.js';
import { idOf, idProblem } from '../ids.js';
import { momentOf } from '../moment.js';
import { firstAt, type Shape } from '../shape.js';
import { onOneLine, spanAt } from '../spans.js';

/** A job of a memory queue that is to be in a real one. */
export interface PlannedJob {
  place: number;
  queue: string;
  id: string;
  name: string;
  /** JSON. */
  data: string;
  priority: number;
  /** When it is to run, in ms since 1970; null for now. */
  run_at: number | null;
  /** A worker had it: it may have done a part of it. */
  running: boolean;
}

const WAITING = ['pending', 'waiting', 'delayed', 'queued'];
const RUNNING = ['processing', 'active', 'running'];
const ENDED = ['completed', 'failed', 'cancelled'];

/** A queue's name: older estates have colons in it. */
const QUEUE = /^[\p{L}\p{N}_.@-]+(:[\p{L}\p{N}_.@-]+)*$/u;

/** Checks a job. One that has ended is left out; one that was running is told by `running`. */
export function judgeJob(raw: Raw, shape: Shape, largest: number): PlannedJob | Bad | Past {
  const { place, text, keys = [] } = raw;
  const bad = (problem: Bad['problem'], reason: string, id?: string): Bad => ({
    place,
    problem,
    reason,
    ...(id !== undefined && { id }),
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.toString('utf8'));
  } catch (error) {
    return bad('bad_json', `not valid JSON: ${(error as Error).message.slice(0, 80)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return bad('wrong_type', 'expected an object');
  const entry = parsed;
  const field = (name: keyof Shape) => firstAt(entry, shape[name]);
  const id = idOf(field('id') ?? keys.at(-1));
  const queue = field('queue') ?? (keys.length > 1 ? keys[0] : undefined);
  if (id === undefined || id === '') return bad('no_id', 'it has no id');
  if (typeof id === 'object') return bad('wrong_type', `the id is ${id.wrong}`);
  const reason = idProblem('job', id);
  if (reason) return bad('bad_id', reason, id);
  if (typeof queue !== 'string' || !QUEUE.test(queue))
    return bad(
      'no_queue',
      queue === undefined ? 'it has no queue' : 'that is no name of a queue',
      id,
    );
  const status = field('status');
  if (status === undefined) return bad('no_status', 'it has no status', id);
  if (ENDED.includes(status as string)) return { place, past: true };
  const running = RUNNING.includes(status as string);
  if (!running && !WAITING.includes(status as string))
    return bad('wrong_type', `a status that is not known: ${JSON.stringify(status)}`, id);
  const runAt = field('runAt');
  const run_at = runAt === undefined ? null : momentOf(runAt);
  if (Number.isNaN(run_at)) return bad('bad_time', 'the time when it is to run is no time', id);
  const priority = field('priority') ?? 0;
  if (!Number.isSafeInteger(priority) || (priority as number) < 0)
    return bad('wrong_type', 'the priority is no whole number', id);
  const path = shape.data.find((one) => firstAt(entry, [one]) !== undefined);
  const span = path && spanAt(text, path);
  const data = span ? onOneLine(text.subarray(span.from, span.to)).toString('utf8') : '{}';
  if (data.length > largest)
    return bad('too_large', `${data.length} bytes; ${largest} are the most`, id);
  const name = field('name');
  return {
    place,
    queue,
    id,
    name: typeof name === 'string' && name !== '' ? name : 'default',
    data: running ? marked(data) : data,
    priority: priority as number,
    run_at,
    running,
  };
}

/** A job that was running is marked in its data: its worker may go on from a checkpoint, or look what is done. */
function marked(data: string): string {
  const mark = '"_migrated":{"was_running":true}';
  if (!data.startsWith('{')) return data;
  return data.startsWith('{}') ? `{${mark}}` : `{${mark},${data.slice(1)}`;
}
