import {
  closeSync,
  createReadStream,
  fsyncSync,
  linkSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import { EntryBytes, Mark } from './plan/bytes.js';
import type { Chunk } from './plan/chunk.js';
import { PlanReader } from './plan/reader.js';

/** The lines of a plan, as an application reads them back into memory and as `plan --from` reads them. */
function* linesOfPlan(folder: string, prefix: number): Generator<Buffer> {
  const reader = new PlanReader(folder);
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  try {
    for (let position = 0; position < reader.count; ) {
      const chunk = reader.read(position);
      if (!chunk) break;
      const known = marks.read(chunk.first, chunk.count);
      position += chunk.count;
      const lines: Buffer[] = [];
      for (let index = 0; index < chunk.count; index += 1)
        if (((known[index] as number) & Mark.superseded) === 0)
          lines.push(lineOf(chunk, index, prefix));
      yield Buffer.concat(lines);
    }
  } finally {
    reader.close();
    marks.close();
  }
}

/** `{user, task, chat?, expiresAt, value}`; the value as it was, byte by byte. */
function lineOf(chunk: Chunk, index: number, prefix: number): Buffer {
  const name = Buffer.from(chunk.key(index).slice(prefix), 'latin1').toString('utf8');
  const parts = name.split(':');
  const [user, task] = parts.slice(-2);
  const chat = parts[0] === 'chat' ? parts[1] : undefined;
  const expiresAt = new Date(chunk.expires(index)).toISOString();
  const head = JSON.stringify({ user, task, ...(chat && { chat }), expiresAt });
  return Buffer.concat([
    Buffer.from(`${head.slice(0, -1)},"value":`),
    chunk.value(index),
    Buffer.from('}\n'),
  ]);
}

/** `prefix`: how many bytes of a key stand before `task:import:`. */
export interface BackTo {
  folder: string;
  path: string;
  prefix: number;
}

/**
 * Writes the file of a plan. It is there whole or not at all; one that is there already is left as it is.
 * Throws `refused` where that has other content. Returns whether it was written.
 */
export async function writeBack({ folder, path, prefix }: BackTo): Promise<boolean> {
  const draft = join(dirname(path), `.${crypto.randomUUID()}.ndjson`);
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      for (const lines of linesOfPlan(folder, prefix))
        for (let at = 0; at < lines.length; ) at += writeSync(file, lines, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // Unlike a rename it does not replace what is there.
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST')
      throw new CacheOpsError('state', `cannot write ${path}: ${messageOf(error)}`);
    if (await isAsPlanned({ folder, path, prefix })) return false;
    throw new CacheOpsError(
      'refused',
      `${path} is there and has other content`,
      'name another file',
    );
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Does the file hold exactly what the plan says? */
export async function isAsPlanned({ folder, path, prefix }: BackTo): Promise<boolean> {
  const planned = linesOfPlan(folder, prefix);
  let due: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of createReadStream(path)) {
      for (let left = piece as Buffer; left.length > 0; ) {
        if (due.length === 0) due = planned.next().value ?? due;
        const length = Math.min(due.length, left.length);
        if (length === 0 || !due.subarray(0, length).equals(left.subarray(0, length))) return false;
        due = due.subarray(length);
        left = left.subarray(length);
      }
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw new CacheOpsError('state', `cannot read ${path}: ${messageOf(error)}`);
  } finally {
    if (due.length === 0) due = planned.next().value ?? due;
    planned.return(undefined);
  }
  return due.length === 0;
}
