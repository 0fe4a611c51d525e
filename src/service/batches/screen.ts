import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { retried } from '../retry.js';
import type { ItemWork } from './run.js';

/** What an item asks the reference service to do; anything else is taken at once. */
const item = z.object({
  takes_ms: z.number().min(0).max(600_000).default(0),
  outcome: z.enum(['success', 'failed', 'conflict']).default('success'),
});

/** The work of the reference service: it waits as a call of a model does, and comes to what the item says. */
export const screen: ItemWork = async (value, { signal }) => {
  const { takes_ms, outcome } = item.safeParse(value).data ?? item.parse({});
  await retried((call) => sleep(takes_ms, undefined, { signal: call }), { signal });
  if (outcome === 'failed') throw new Error('the document has no text layer');
  return { status: outcome, value };
};
