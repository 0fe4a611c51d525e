import type { ReplyError } from '../resp.js';
import type { Asked, Fail } from './asked.js';
import { estimateBytes, lengthCommand } from './estimate.js';
import { type Plan, refusal } from './questions.js';
import { ShortReplies } from './replies.js';
import { command, type ReplyStream } from './stream.js';

/** Asks for lengths in place of sizes, now that the types of a batch are known. */
export function askLengths(
  stream: ReplyStream,
  plan: Plan,
  asked: Asked,
  fail: Fail,
  done: () => void,
): void {
  const { batch, types, sizes, out } = asked;
  const typeOf = (index: number) => types[index] ?? plan.knownType ?? '';
  let text = '';
  const places: number[] = [];
  batch.keys.forEach((key, index) => {
    const name = lengthCommand(typeOf(index));
    sizes[index] = estimateBytes(typeOf(index), key, 0);
    if (!name || out.has(index)) return;
    text += command(name, key);
    places.push(index);
  });
  if (places.length === 0) {
    done();
    return;
  }
  const reader = new ShortReplies(places.length, ({ values, errors }) => {
    for (const [place, index] of places.entries()) {
      const error = errors.get(place);
      if (error) {
        if (!isMissing(plan, typeOf(index), error)) fail(asked, index, error);
        continue;
      }
      const key = batch.keys[index] as string;
      sizes[index] = estimateBytes(typeOf(index), key, values[place] as number);
      plan.lookups.hits += 1;
    }
    done();
  });
  stream.write(text, reader);
}

/** Whether it is the command that cannot be used, which is said once. */
function isMissing({ missing }: Plan, type: string, error: ReplyError): boolean {
  const why = refusal(error);
  if (!why) return false;
  const name = lengthCommand(type) ?? '';
  if (!missing.some(({ command }) => command === name))
    missing.push({ command: name, why, instead: `the size of a ${type} is not known` });
  return true;
}
