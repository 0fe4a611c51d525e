import { type Application, type Limits, readHealth } from '../applications/client.js';
import { micro } from '../redis/latency.js';
import { worst } from './finding.js';
import type { ApplicationLine } from './result.js';
import { judgeApplication, type LimitsFor } from './thresholds.js';

/** Which mode an application says it is in, and how long it takes to say so. */
export async function inspectApplication(
  application: Application,
  limits: Limits,
  thresholds?: LimitsFor,
): Promise<ApplicationLine> {
  const { mode, ms, status: code, error } = await readHealth(application, limits);
  limits.signal?.throwIfAborted();
  const { name } = application;
  // An answer that names no mode is not a bad one; none at all is.
  if (error !== undefined) {
    const status = code !== undefined && code < 400 ? 'unknown' : 'critical';
    const findings = [{ metric: 'health', status, message: error } as const];
    return { name, status, findings, mode, latency_ms: code === undefined ? null : micro(ms) };
  }
  const figures = { mode, latency_ms: micro(ms) };
  const findings = judgeApplication(figures, `application:${name}`, thresholds);
  return { name, status: worst(findings.map(({ status }) => status)), findings, ...figures };
}
