import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { HttpError } from './types.js';

/** Largest body, in bytes. */
export const MAX_BODY_BYTES = 1_000_000;
/** Read and thrown away beyond the limit: a client that is still sending would not see our answer. */
const MAX_DISCARDED_BYTES = 8 * MAX_BODY_BYTES;
/** Deepest nesting. Writing a value as JSON recurses: deep enough, it exhausts the stack. */
const MAX_DEPTH = 100;

/** The checked JSON body of a request; rejects with 400 or 413. */
export async function readBody<T extends z.ZodType>(
  request: IncomingMessage,
  schema: T,
): Promise<z.output<T>> {
  const parsed = schema.safeParse(parse(await readText(request)));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.');
  throw new HttpError(400, `body${path ? `.${path}` : ''}: ${issue?.message ?? 'not valid'}`);
}

function parse(text: string): unknown {
  if (depth(text) > MAX_DEPTH) throw new HttpError(400, `body: nested more than ${MAX_DEPTH} deep`);
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, 'body: not valid JSON');
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      else chunks.length = 0;
      if (size > MAX_DISCARDED_BYTES) break;
    }
  } catch {
    throw new HttpError(400, 'body: the connection ended early');
  }
  if (size > MAX_BODY_BYTES) {
    throw new HttpError(413, `body: larger than ${MAX_BODY_BYTES} bytes`, { connection: 'close' });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new HttpError(400, 'body: not valid UTF-8');
  }
}

function depth(text: string): number {
  let deepest = 0;
  let now = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted && char === '\\') at += 1;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && (char === '{' || char === '[')) deepest = Math.max(deepest, ++now);
    else if (!quoted && (char === '}' || char === ']')) now -= 1;
  }
  return deepest;
}
