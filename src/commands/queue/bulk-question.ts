import type { Action, OperationRecord } from '../../queues/bulk/store.js';
import { countText } from '../../words.js';

/** The queue's name, or the sources' when there are several queues. */
export function targetOf(record: OperationRecord): string {
  const [first, ...others] = concerned(record);
  if (first && others.length === 0) return first.queue;
  return [...new Set(concerned(record).map(({ source }) => source))].join(',');
}

/** The queues that a job was chosen of. */
function concerned({ queues, chosen }: OperationRecord) {
  return queues.filter((_, index) => chosen[index]);
}

const VERBS: Record<Action, string> = {
  retry: 'Retry',
  cancel: 'Cancel',
  rm: 'Remove',
  promote: 'Promote',
  redrive: 'Redrive',
  clean: 'Remove',
};

export function question(record: OperationRecord): string {
  const { action, total, environment } = record;
  const queues = concerned(record).map(({ queue, source }) => `${queue} (${source})`);
  const where = queues.length > 3 ? `${queues.length} queues` : queues.join(', ');
  const jobs = total === 1 ? 'job' : 'jobs';
  return `${VERBS[action]} ${countText(total)} ${jobs} of ${where} in ${environment}?`;
}
