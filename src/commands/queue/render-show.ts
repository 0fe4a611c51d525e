import type { Block, Cell, Figure } from '../../output/blocks.js';
import { ms, status } from '../../output/format.js';
import { age, bytesText } from '../../words.js';
import type { ShowResult } from './show.js';

export interface ShowLook {
  /** Nothing is cut. */
  full: boolean;
  /** For a person: data over several lines, times with their age. */
  pretty: boolean;
  now: number;
}

type Row = [string, Cell];

/** One line a field; what a job does not have is left out. */
export function renderShow(job: ShowResult, look: ShowLook): Block[] {
  const rows: Row[] = [
    ['id', job.id],
    ['queue', `${job.source}/${job.scope}:${job.queue}`],
    ['engine', job.engine],
    ['name', job.name],
    ['state', stateCell(job)],
    ['problem', job.problem && status(job.problem, 'critical')],
    ['priority', job.priority],
    ['attempts', attempts(job)],
    ...times(job, look),
    ['error', job.error === null ? null : { value: job.error, text: job.error, tone: 'warn' }],
    ['retry', job.retry],
    ['parent', job.parent && relative(job.parent)],
    ...job.children.map(
      (child): Row => ['child', `${relative(child)}${child.done ? ', done' : ''}`],
    ),
    ['scheduler', job.scheduler],
    ['lock', lockCell(job)],
    ['dead letter of', job.dead_letter.from],
    ['dead letter to', job.dead_letter.to],
    ...value('data', job.data, look),
    ...value('result', job.result, look),
    ...value('progress', job.progress, look),
    ...lines(
      'stack',
      job.stack.flatMap((text) => text.split('\n')),
      look,
    ),
    ...lines('log', job.logs, look),
  ];
  const present = rows.filter(([, cell]) => cell !== null && cell !== undefined);
  return [{ table: { columns: ['field', 'value'], rows: present } }];
}

function stateCell({ state }: ShowResult): Figure {
  return state === 'failed' ? status(state, 'warn') : { value: state, text: state };
}

function attempts({ attempts_made, attempts_max }: ShowResult): Cell {
  if (attempts_max === null) return attempts_made;
  return { value: attempts_made, text: `${attempts_made} of ${attempts_max}` };
}

function times(job: ShowResult, { pretty, now }: ShowLook): Row[] {
  const { created_at, due_at, started_at, finished_at } = job;
  const at = (time: string | null): Cell => {
    if (time === null) return null;
    const seconds = (now - Date.parse(time)) / 1_000;
    const said = seconds < 0 ? `in ${age(-seconds)}` : `${age(seconds)} ago`;
    return { value: time, text: pretty ? `${time} (${said})` : time };
  };
  // A job that runs again keeps the end of its last run in some versions.
  const ran = started_at && finished_at ? Date.parse(finished_at) - Date.parse(started_at) : -1;
  return [
    ['created', at(created_at)],
    ['due', at(due_at)],
    ['started', at(started_at)],
    ['finished', at(finished_at)],
    ['ran', ran >= 0 ? ms(ran) : null],
  ];
}

function relative({ id, queue }: { id: string; queue: string }): string {
  return `${queue} ${id}`;
}

function lockCell({ lock }: ShowResult): Cell {
  if (!lock) return null;
  const { token, expires_in_ms } = lock;
  const left = expires_in_ms === null ? '' : `, for ${ms(Math.max(0, expires_in_ms)).text} more`;
  return `held by ${token}${left}`;
}

const LONGEST = 2_000;
const MOST_LINES = 20;

/** JSON: in one line for a pipe, indented for a person. */
function value(label: string, data: unknown, { full, pretty }: ShowLook): Row[] {
  if (data === null || data === undefined) return [];
  const compact = JSON.stringify(data);
  const text = pretty && compact.length > 60 ? JSON.stringify(data, null, 2) : compact;
  const cut = !full && text.length > LONGEST;
  const shown = cut ? text.slice(0, LONGEST) : text;
  const rows = pretty ? shown.split('\n') : [shown];
  const whole = bytesText(Buffer.byteLength(compact));
  return labelled(label, cut ? [...rows, `(cut; ${whole} in all: --full)`] : rows, pretty);
}

/** The newest lines of a log are the last; of a stack the first say where. */
function lines(label: 'stack' | 'log', all: readonly string[], look: ShowLook): Row[] {
  const cut = !look.full && all.length > MOST_LINES;
  const kept = label === 'log' ? all.slice(-MOST_LINES) : all.slice(0, MOST_LINES);
  const note = `(cut; ${all.length} lines in all: --full)`;
  return labelled(label, cut ? [...kept, note] : all, look.pretty);
}

/** A person reads the label once, a script on every line. */
function labelled(label: string, rows: readonly string[], pretty: boolean): Row[] {
  return rows.map((text, index) => [pretty && index > 0 ? '' : label, text]);
}
