import type { Command } from 'commander';
import { parseDuration } from '../config/units.js';
import { CacheOpsError } from '../errors.js';
import type { PaceOptions } from '../redis/scan/types.js';

export interface PaceFlags {
  maxLatency?: string;
  duty?: string;
}

/** How gently keys are looked for; the same for every command that scans. */
export function addPace(command: Command): Command {
  return command
    .option('--max-latency <duration>', 'slow down when others wait longer than that', '5ms')
    .option('--duty <percent>', 'work so much of the time only', '100%');
}

export function paceOf({ maxLatency, duty }: PaceFlags): Partial<PaceOptions> {
  return {
    ...(maxLatency !== undefined && { maxLatencyMs: parseDuration(maxLatency, '--max-latency') }),
    ...(duty !== undefined && { duty: parseDuty(duty) }),
  };
}

function parseDuty(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return percent / 100;
  throw new CacheOpsError('usage', `--duty: "${text}" is not a percentage such as 25%`);
}
