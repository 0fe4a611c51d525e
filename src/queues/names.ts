import type { QueueRef } from './queue.js';

/** The name that is a queue's own in the whole estate: `main/bull:mail`. */
export function fullName({ source, scope, queue }: QueueRef): string {
  return `${source}/${scope}:${queue}`;
}

/** `mail`, `bull:mail` and `main/bull:mail` are names of a queue. */
export function calledSo(ref: QueueRef, name: string): boolean {
  return name === ref.queue || name === `${ref.scope}:${ref.queue}` || name === fullName(ref);
}

/** What a queue of a scope would be called if `name` is a name of it. */
export function queuesCalled(source: string, scope: string, name: string): string[] {
  return ['', `${scope}:`, `${source}/${scope}:`]
    .filter((beginning) => name.startsWith(beginning) && name.length > beginning.length)
    .map((beginning) => name.slice(beginning.length));
}

/** What to call each of these queues for a person: as much of its full name as tells it from the others. */
export function shortNames(refs: readonly QueueRef[]): string[] {
  const forms = [
    ({ queue }: QueueRef) => queue,
    ({ scope, queue }: QueueRef) => `${scope}:${queue}`,
    fullName,
  ];
  const distinct = [...new Map(refs.map((ref) => [fullName(ref), ref])).values()];
  const counts = forms.map((form) => {
    const count = new Map<string, number>();
    for (const ref of distinct) count.set(form(ref), (count.get(form(ref)) ?? 0) + 1);
    return count;
  });
  return refs.map((ref) => {
    const form = forms.find((each, index) => counts[index]?.get(each(ref)) === 1) ?? fullName;
    return form(ref);
  });
}
