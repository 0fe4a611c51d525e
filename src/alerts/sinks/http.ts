import { messageOf } from '../../errors.js';
import { type Attempt, DeliveryFailure } from './sink.js';

/** The message itself is what these are about: sending it again will not help. */
const REFUSED = [400, 409, 413, 414, 415, 422];
/** A longer Retry-After would be a mistake or malice. */
const LONGEST_WAIT = 3_600_000;
/** Of an answer; more is not read. */
const ANSWER_BYTES = 16_384;

export interface Answer {
  status: number;
  text: string;
}

/** Posts a body; any answer but 2xx is a DeliveryFailure. Redirects are not followed: they would carry secrets along. */
export async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  { signal, now }: Attempt,
): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
      body,
      redirect: 'manual',
      signal,
    });
    text = await textOf(response);
  } catch (error) {
    const { cause } = error as Error;
    throw new DeliveryFailure('failed', messageOf(cause ?? error));
  }
  if (response.ok) return { status: response.status, text };
  const { status } = response;
  throw new DeliveryFailure(
    REFUSED.includes(status) ? 'refused' : 'failed',
    `answered ${status}${text ? `: ${text}` : ''}`,
    retryAfter(response.headers.get('retry-after'), now),
  );
}

/** RFC 9110: seconds, or a date. */
function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return ms > 0 ? Math.min(ms, LONGEST_WAIT) : undefined;
}

async function textOf({ body }: Response): Promise<string> {
  if (!body) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const piece of body) {
    text += decoder.decode(piece, { stream: true });
    bytes += piece.length;
    // Leaving the loop cancels the rest.
    if (bytes > ANSWER_BYTES) break;
  }
  return text.trim();
}
