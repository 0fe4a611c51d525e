import * as z from 'zod/mini';
import { findingSchema, STATUSES } from '../health/finding.js';

/** What is wrong with a setting, why that matters, and the line to type that mends it (null: no one line does). */
const advised = z.extend(findingSchema, {
  why: z.string(),
  mend: z.nullable(z.string()),
});
export type Advised = z.infer<typeof advised>;

const audited = z.object({
  kind: z.enum(['redis', 'postgres']),
  target: z.string(),
  address: z.string(),
  version: z.nullable(z.string()),
  reachable: z.boolean(),
  status: z.enum(STATUSES),
  findings: z.array(advised),
  /** How many settings were looked at and found right or wrong. */
  checked: z.number(),
});
export type Audited = z.infer<typeof audited>;

/** What `doctor --json` prints. */
export const doctorResult = z.object({
  status: z.enum(STATUSES),
  estate: z.string(),
  environment: z.string(),
  at: z.iso.datetime(),
  servers: z.array(audited),
});
export type DoctorResult = z.infer<typeof doctorResult>;

/** A check of one server's facts: nothing where all is well, or where it does not apply. */
export type Check<Facts> = (facts: Facts) => Advised[];

export function advise(
  status: Advised['status'],
  metric: string,
  { message, why, mend = null }: { message: string; why: string; mend?: string | null },
): Advised {
  return { metric, status, message, why, mend };
}
