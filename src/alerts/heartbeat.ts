import { messageOf } from '../errors.js';

const LIMIT = 10_000;

/**
 * Asks for a URL after each evaluation, so that somebody else notices when they cease. Never waited for;
 * a failure is told once until it works again. The URL may hold a secret and is never repeated.
 */
export function heartbeat(
  url: string,
  { notice, signal }: { notice(text: string): void; signal: AbortSignal },
): () => void {
  let failing = false;
  let busy = false;
  return () => {
    if (busy) return;
    busy = true;
    void beat(url, signal)
      .then((problem) => {
        if (signal.aborted) return;
        if (problem !== undefined && !failing) notice(`the heartbeat cannot be sent: ${problem}`);
        if (problem === undefined && failing) notice('the heartbeat is sent again');
        failing = problem !== undefined;
      })
      .finally(() => {
        busy = false;
      });
  };
}

async function beat(url: string, signal: AbortSignal): Promise<string | undefined> {
  const limit = AbortSignal.timeout(LIMIT);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, limit]) });
    await response.body?.cancel();
    return response.ok ? undefined : `answered ${response.status}`;
  } catch (error) {
    if (limit.aborted) return `no answer within ${LIMIT / 1_000} s`;
    const { cause } = error as Error;
    return cause === undefined ? 'the URL cannot be asked for' : messageOf(cause);
  }
}
