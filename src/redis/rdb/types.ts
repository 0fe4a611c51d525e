import {
  readHash,
  readHashSet,
  readHashWithTtl,
  readLinkedList,
  readQuicklist,
  readQuicklist2,
  readValkeyHash,
  readZset1,
  readZset2,
} from './collections.js';
import {
  listpackCount,
  readHashListpack,
  readHashListpackEx,
  readHashZiplist,
  readHashZipmap,
  readIntset,
  readListZiplist,
  readSetListpack,
  readZsetListpack,
  readZsetZiplist,
  ziplistCount,
} from './compact.js';
import { readModule } from './modules.js';
import { readStream } from './streams.js';
import { readString } from './strings.js';
import type { ReadValue } from './value.js';

/** The magic word that a file begins with; their numbers above 21 mean different things. */
export type Magic = 'REDIS' | 'VALKEY';

/**
 * How values are read, by the number of their type in a file of this version. 6, 8 and 23 (module values
 * of release candidates, a gap) are not there: nothing says where such a value ends.
 * https://github.com/redis/redis/blob/8.0/src/rdb.h, https://github.com/valkey-io/valkey/blob/9.0/src/rdb.h
 */
export function valueReaders(magic: Magic, version: number): (ReadValue | undefined)[] {
  const readers: (ReadValue | undefined)[] = [];
  readers[0] = readString;
  readers[1] = readLinkedList;
  readers[2] = readHashSet;
  readers[3] = readZset1;
  readers[4] = readHash;
  readers[5] = readZset2;
  readers[7] = readModule;
  readers[9] = readHashZipmap;
  readers[10] = readListZiplist;
  readers[11] = readIntset;
  readers[12] = readZsetZiplist;
  readers[13] = readHashZiplist;
  readers[14] = readQuicklist(ziplistCount);
  readers[15] = readStream(1);
  readers[16] = readHashListpack;
  readers[17] = readZsetListpack;
  readers[18] = readQuicklist2(version, listpackCount);
  readers[19] = readStream(2);
  readers[20] = readSetListpack;
  readers[21] = readStream(3);
  if (magic === 'VALKEY') {
    readers[22] = readValkeyHash;
    return readers;
  }
  // The release candidates of Redis 7.4 had no earliest time.
  readers[22] = readHashWithTtl(false);
  readers[23] = readHashListpackEx(false);
  readers[24] = readHashWithTtl(true);
  readers[25] = readHashListpackEx(true);
  return readers;
}
