import { setTimeout as sleep } from 'node:timers/promises';

/** What a job is to end like: its data says so. */
export interface JobData {
  /** Which paper, so that jobs differ as real ones do. */
  paper: number;
  outcome: 'succeed' | 'fail' | 'hang';
  /** Message of the failure. */
  error?: string;
  /** It fails the first time only: what a retry is for. */
  once?: boolean;
  /** How long it takes, in ms. */
  takes?: number;
}

/** Works on one job: resolves to its result, throws its failure, or never ends. */
export async function work(data: JobData, again: boolean): Promise<{ paper: number }> {
  if (data.outcome === 'hang') return new Promise(() => {});
  if (data.takes) await sleep(data.takes);
  if (data.outcome === 'fail' && !(data.once && again)) throw new Error(data.error);
  return { paper: data.paper };
}

const FAILURES: Omit<JobData, 'paper' | 'outcome'>[] = [
  { error: 'connect ETIMEDOUT 10.0.4.17:443', once: true },
  { error: 'connect ETIMEDOUT 10.0.4.18:443', once: true },
  { error: 'the document has no text layer' },
  { error: '429 Too Many Requests: quota of the model is used up' },
];

/** A job to be queued; `delay` in ms. */
export interface NewJob {
  data: JobData;
  delay?: number;
  priority?: number;
}

/** What a queue is filled with: most succeed, some fail in different ways, some hang, some are for later. */
export function fillings(): NewJob[] {
  return [
    ...Array.from({ length: 12 }, (_, index) => ({
      data: { paper: 100 + index, outcome: 'succeed' as const, takes: index * 5 },
    })),
    ...Array.from({ length: 12 }, (_, index) => ({
      data: { paper: 200 + index, outcome: 'fail' as const, ...FAILURES[index % FAILURES.length] },
      ...(index % 6 === 0 && { priority: 3 }),
    })),
    ...[300, 301].map((paper) => ({ data: { paper, outcome: 'hang' as const } })),
    ...[400, 401, 402].map((paper, index) => ({
      data: { paper, outcome: 'succeed' as const },
      delay: (index + 1) * 3_600_000,
    })),
  ];
}
