import { listpackCount } from './compact.js';
import type { Cursor } from './cursor.js';
import { hex } from './cursor.js';
import { RadixTree } from './radix.js';
import { SIZE } from './sizes.js';
import { form, type ReadValue, type Value } from './value.js';

const STREAM = form('stream', 'stream');
const ID = SIZE.streamId;
/**
 * Redis 7 allocates a node for more entries to come, and gives the rest back once it is full:
 * https://github.com/redis/redis/blob/7.0/src/t_stream.c (STREAM_LISTPACK_MAX_PRE_ALLOCATE)
 */
const PREALLOCATED = 4_096;

/** The steps of a stream, in their order; from `groups` on they repeat for each group and consumer. */
const Step = {
  count: 0,
  nodes: 1,
  about: 2,
  groups: 3,
  group: 4,
  pending: 5,
  consumers: 6,
  consumer: 7,
  seen: 8,
  claimed: 9,
  done: 10,
} as const;

/** Streams in their three formats: 2 (Redis 7.0) adds counters, 3 (7.2) when a consumer was last active. */
export function readStream(format: 1 | 2 | 3): ReadValue {
  const tree = new RadixTree();
  let groups = 0;
  let consumers = 0;

  const steps: ((cursor: Cursor, value: Value) => void)[] = [];
  steps[Step.count] = (cursor, value) => {
    value.form = STREAM;
    value.bytes = SIZE.robj + SIZE.stream;
    value.left = cursor.length();
    value.step = Step.nodes;
  };
  /** Each node's first ID, then its entries. */
  steps[Step.nodes] = (cursor, value) => {
    if (value.left === 0) {
      value.bytes += tree.finish();
      value.step = Step.about;
      return;
    }
    const length = cursor.byte();
    if (length !== ID) cursor.corrupt(`the ${ID} bytes of a stream ID`, hex(length));
    cursor.ensure(ID);
    const at = cursor.at;
    cursor.skip(ID);
    const size = cursor.skipBlob();
    listpackCount(cursor, size);
    tree.add(cursor.bytes, at);
    value.left -= 1;
    const allocation = value.left === 0 && format > 1 ? Math.max(size, PREALLOCATED) : size;
    value.bytes += value.sizes.allocated(allocation);
  };
  steps[Step.about] = (cursor, value) => {
    const length = cursor.length();
    // The last ID, and from format 2 on the first, the highest deleted and how many were ever added.
    for (let left = format === 1 ? 2 : 7; left > 0; left -= 1) cursor.length();
    groups = cursor.length();
    value.elements = length;
    value.step = Step.groups;
  };
  steps[Step.groups] = (cursor, value) => {
    if (groups === 0) value.step = Step.done;
    else {
      cursor.skipString();
      groups -= 1;
      value.step = Step.group;
    }
  };
  steps[Step.group] = (cursor, value) => {
    for (let left = format === 1 ? 2 : 3; left > 0; left -= 1) cursor.length();
    value.left = cursor.length();
    value.bytes += SIZE.streamGroup + value.left * SIZE.streamNack;
    value.step = Step.pending;
  };
  /** What was delivered and not acknowledged: ID, when, how often. */
  steps[Step.pending] = (cursor, value) => {
    if (value.left === 0) {
      value.bytes += tree.finish();
      value.step = Step.consumers;
      return;
    }
    cursor.ensure(ID + 8);
    const at = cursor.at;
    cursor.skip(ID + 8);
    cursor.length();
    tree.add(cursor.bytes, at);
    value.left -= 1;
  };
  steps[Step.consumers] = (cursor, value) => {
    consumers = cursor.length();
    value.step = Step.consumer;
  };
  steps[Step.consumer] = (cursor, value) => {
    if (consumers === 0) value.step = Step.groups;
    else {
      value.bytes += SIZE.streamConsumer + cursor.skipString();
      consumers -= 1;
      value.step = Step.seen;
    }
  };
  steps[Step.seen] = (cursor, value) => {
    const times = format === 3 ? 16 : 8;
    cursor.ensure(times);
    cursor.skip(times);
    value.left = cursor.length();
    value.step = Step.claimed;
  };
  steps[Step.claimed] = (cursor, value) => {
    if (value.left === 0) {
      value.bytes += tree.finish();
      value.step = Step.consumer;
      return;
    }
    cursor.ensure(ID);
    tree.add(cursor.bytes, cursor.at);
    cursor.skip(ID);
    value.left -= 1;
  };

  return (cursor, value) => {
    if (value.step === Step.count) tree.finish();
    while (value.step !== Step.done) {
      steps[value.step]?.(cursor, value);
      cursor.commit();
    }
  };
}
