import * as z from 'zod/mini';

/** From best to worst: a value that is missing is worse than a good one, and better than a bad one. */
export const STATUSES = ['ok', 'unknown', 'warn', 'critical'] as const;
export type Status = (typeof STATUSES)[number];

export const findingSchema = z.object({
  /** What was judged: `memory`, `latency`, `workers`... */
  metric: z.string(),
  status: z.enum(STATUSES),
  message: z.string(),
});
/** Something that an operator should look at. What is fine makes none. */
export type Finding = z.infer<typeof findingSchema>;

export function worst(statuses: readonly Status[]): Status {
  return statuses.reduce<Status>(
    (bad, status) => (STATUSES.indexOf(status) > STATUSES.indexOf(bad) ? status : bad),
    'ok',
  );
}

/** A finding where `value` is over a limit; critical before warn. */
export function over(
  metric: string,
  value: number | null,
  { warn, critical }: { warn?: number; critical?: number },
  message: string,
): Finding[] {
  if (value === null) return [];
  if (critical !== undefined && value > critical) return [{ metric, status: 'critical', message }];
  return warn !== undefined && value > warn ? [{ metric, status: 'warn', message }] : [];
}
