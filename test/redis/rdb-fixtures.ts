import {
  aux,
  bytes,
  double,
  file,
  i64,
  intset,
  key,
  length,
  listpack,
  lzf,
  streamId,
  streamNode,
  string,
  u32,
  ziplist,
  zipmap,
} from './rdb-bytes.js';

export const DAY = 86_400_000;
export const tomorrow = Date.now() + DAY;

/** Up to Redis 3.0. */
export const RDB_6 = file(
  'REDIS0006',
  bytes(0xfe, 0),
  key(0, 'string', string('value')),
  bytes(0xfd, u32(Math.floor(tomorrow / 1_000))),
  key(0, 'expires in seconds', string('value')),
  bytes(0xfc, i64(tomorrow)),
  key(0, 'expires in ms', bytes(0xc1, 0x39, 0x30)),
  key(1, 'linked list', length(3), string('a'), string('b'), bytes(0xc0, 7)),
  key(2, 'set', length(2), string('member'), string('other')),
  key(3, 'zset', length(4), [
    [string('one'), 3, '1.5'],
    [string('infinite'), 254],
    [string('minus infinite'), 255],
    [string('seventeen'), 19, '17.0000000000000001'],
  ]),
  key(4, 'hash', length(2), ['a', '1', 'b', '2'].map(string)),
  key(
    9,
    'zipmap',
    string(
      zipmap([
        ['field', 'value'],
        ['x', 'y'],
      ]),
    ),
  ),
  key(10, 'list ziplist', string(ziplist(['a', 'bb', 'ccc']))),
  key(11, 'intset', string(intset([1, 2, 3, 500]))),
  key(12, 'zset ziplist', string(ziplist(['member', '1', 'other', '2']))),
  key(13, 'hash ziplist', lzf(ziplist(['field', 'value', 'other', 'value', 'third', 'v']))),
  bytes(0xfe, 9),
  key(0, 'in database 9', string('value')),
);

export const PACKED_NAME = 'a key of some length: it is long enough';

/** Redis 3.2. */
export const RDB_7 = file(
  'REDIS0007',
  [aux('redis-ver', '3.2.13'), aux('redis-bits', '64'), aux('ctime', '1700000000')],
  [bytes(0xfe, 0), bytes(0xfb, length(2), length(1))],
  key(14, 'quicklist', length(2), string(ziplist(['a', 'b'])), lzf(ziplist(['c', 'd', 'e']))),
  [bytes(0xfc, i64(tomorrow)), key(0, PACKED_NAME, string('value'))],
);

/** Redis 4: scores of eight bytes. */
export const RDB_8 = file(
  'REDIS0008',
  [aux('redis-ver', '4.0.14'), aux('repl-stream-db', '0'), bytes(0xfe, 0)],
  key(5, 'zset 2', length(2), string('a'), double(1.5), string('b'), double(-7)),
);

export const ms = 1_700_000_000_000;
export const moment = i64(ms);
/** Two entries pending for two consumers; `active` is what format 3 adds. */
const streamGroups = (version: 1 | 2 | 3) => [
  length(1),
  [string('group'), length(ms), length(2), version > 1 ? length(2) : []],
  [length(2), streamId(ms, 0), moment, length(1), streamId(ms, 1), moment, length(3)],
  length(2),
  [string('first'), moment, version > 2 ? moment : [], length(2), streamId(ms, 0), streamId(ms, 1)],
  [string('idle'), moment, version > 2 ? moment : [], length(0)],
];
export const streamValue = (version: 1 | 2 | 3) => [
  [length(1), string(streamId(ms, 0)), string(streamNode('field', ['a', 'b', 'c']))],
  [length(3), length(ms), length(2)],
  version > 1 ? [length(ms), length(0), length(0), length(0), length(3)] : [],
  streamGroups(version),
];

/** Redis 5 and 6: streams, idle time, frequency. */
export const RDB_9 = file(
  'REDIS0009',
  [aux('redis-ver', '6.2.6'), bytes(0xfe, 0)],
  key(15, 'stream', streamValue(1)),
  [bytes(0xf8, length(300)), key(0, 'idle', string('value'))],
  [bytes(0xf9, 200), key(0, 'frequent', string('value'))],
);

/** Redis 7.0. */
export const RDB_10 = file(
  'REDIS0010',
  [aux('redis-ver', '7.0.0'), bytes(0xfe, 0)],
  key(16, 'hash', string(listpack(['field', 'value', 'other', 7]))),
  key(17, 'zset', string(listpack(['member', 1, 'other', 2, 'third', 3]))),
  key(18, 'list', length(2), [2, string(listpack(['a', 'b']))], [1, string('plain'.repeat(50))]),
  key(19, 'stream', streamValue(2)),
);
