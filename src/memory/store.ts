import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { CacheOpsError } from '../errors.js';
import { namesIn, readJson, type State, writeDurably } from '../state/folder.js';
import { headSchema, type Report, type ReportHead, reportSchema } from './report.js';

/** So many reports are kept, whatever their targets. */
const KEPT = 50;

type Moment = Pick<Report, 'at' | 'target'>;

/** An id that sorts by time, to the millisecond: `20260105-093000123-main-4f2a`. */
export function reportId({ at, target }: Moment): string {
  const [day = '', time = ''] = at.split('T');
  const name = target.replace(/[^\w.-]+/g, '-').slice(-40);
  const tail = crypto.randomUUID().slice(0, 4);
  return `${day.replaceAll('-', '')}-${time.replace(/\D/g, '').padEnd(9, '0')}-${name}-${tail}`;
}

/** Stores a report durably; the oldest go when there are too many. Returns its file. */
export function storeReport(state: State, report: Report): string {
  const file = fileOf(state, report.id);
  writeDurably(file, JSON.stringify(report));
  for (const id of storedIds(state).slice(KEPT)) rmSync(fileOf(state, id), { force: true });
  return file;
}

/** The stored reports, the newest first. One that cannot be read is left out. */
export function storedReports(state: State): ReportHead[] {
  return storedIds(state).flatMap((id) => headOf(state, id) ?? []);
}

/**
 * The report that a name stands for: a file, `last`, `previous` (the one before it of the same target),
 * an id or the beginning of one, or a target, which is its newest. A file is read from `cwd`.
 */
export function findReport(state: State, name: string, cwd: string): Report {
  const file = isAbsolute(name) ? name : join(cwd, name);
  if (/[/\\]|\.json$/.test(name) && isFile(file)) return readReport(file, name);
  const ids = storedIds(state);
  const id = named(state, ids, name);
  if (id !== undefined) return readReport(fileOf(state, id), id);
  if (isFile(file)) return readReport(file, name);
  throw new CacheOpsError(
    'not_found',
    `there is no report "${name}"`,
    ids.length === 0
      ? 'none is stored yet: cache-ops memory bigkeys makes one'
      : 'cache-ops memory reports lists them',
  );
}

function named(state: State, ids: readonly string[], name: string): string | undefined {
  const [last] = ids;
  if (last === undefined || ids.includes(name)) return last && name;
  if (name === 'last') return last;
  if (name === 'previous') {
    const { target } = readReport(fileOf(state, last), last);
    return ids.slice(1).find((id) => targetOf(state, id) === target);
  }
  // A target may be called as an id begins; nobody means an id by so few characters.
  const ofTarget = ids.find((id) => targetOf(state, id) === name);
  if (ofTarget !== undefined) return ofTarget;
  const begun = ids.filter((id) => name !== '' && id.startsWith(name));
  if (begun.length <= 1) return begun[0];
  throw new CacheOpsError(
    'usage',
    `"${name}" is the beginning of ${begun.length} reports: ${begun.slice(0, 3).join(', ')}${begun.length > 3 ? '...' : ''}`,
    'give more of its id',
  );
}

function targetOf(state: State, id: string): string | undefined {
  return headOf(state, id)?.target;
}

function headOf(state: State, id: string): ReportHead | undefined {
  return headSchema.safeParse(readJson(fileOf(state, id))).data;
}

function readReport(file: string, name: string): Report {
  const { data, error } = reportSchema.safeParse(readJson(file) ?? lastLine(file));
  if (data) return data;
  const [issue] = error?.issues ?? [];
  const where = issue?.path.length ? ` (${issue.path.join('.')}: ${issue.message})` : '';
  throw new CacheOpsError(
    'usage',
    `${name} is no memory report${where}`,
    'memory bigkeys --json and memory show --json write one; memory reports lists the stored ones',
  );
}

/** The summary of NDJSON is a report, too. */
function lastLine(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
}

function storedIds(state: State): string[] {
  return namesIn(folderOf(state))
    .flatMap((name) => (/^[^.].*\.json$/.test(name) ? [name.slice(0, -'.json'.length)] : []))
    .reverse();
}

const folderOf = (state: State): string => state.path('memory', 'reports');
const fileOf = (state: State, id: string): string => join(folderOf(state), `${id}.json`);
const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();
