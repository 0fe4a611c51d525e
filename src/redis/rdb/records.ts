// What stands in an RDB file beside the keys.
// https://github.com/redis/redis/blob/8.0/src/rdb.h, https://github.com/valkey-io/valkey/blob/9.0/src/rdb.h

import type { Cursor } from './cursor.js';
import { moduleName, skipParts } from './modules.js';
import type { ReadValue, Value } from './value.js';

export const Opcode = {
  /** Valkey 9 only. */
  slotImport: 243,
  slotInfo: 244,
  function: 245,
  /** Of the release candidates of Redis 7.0. */
  functionPreGa: 246,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resizeDb: 251,
  expireMs: 252,
  expire: 253,
  selectDb: 254,
  end: 255,
} as const;

/** What a file says about itself. */
export interface About {
  /** `redis-ver` or `valkey-ver`, `redis-bits`, `ctime` (s), `used-mem` (bytes), ... */
  aux: Map<string, string>;
  functions: number;
  /** Names of the modules that put something beside the keys. */
  modules: Set<string>;
}

/** How records are read that may have several units, by their opcode; what they say goes to `about`. */
export function recordReaders(about: About, isValkey: boolean): (ReadValue | undefined)[] {
  const readers: (ReadValue | undefined)[] = [];
  let name = '';
  readers[Opcode.aux] = (cursor, value) => {
    if (value.step === 0) {
      name = cursor.string();
      value.step = 1;
      cursor.commit();
    }
    about.aux.set(name, cursor.string());
  };
  readers[Opcode.moduleAux] = (cursor, value) => {
    if (value.step === 0) {
      about.modules.add(moduleName(cursor));
      value.step = 1;
      cursor.commit();
    }
    skipParts(cursor, value);
  };
  readers[Opcode.function] = (cursor) => {
    cursor.skipString();
    about.functions += 1;
  };
  readers[Opcode.functionPreGa] = (cursor, value) => {
    // Its name, engine, whether there is a description, that, and the code.
    for (; value.step < 5; cursor.commit()) {
      if (value.step === 2) value.left = cursor.length();
      else if (value.step !== 3 || value.left > 0) cursor.skipString();
      value.step += 1;
    }
    about.functions += 1;
  };
  readers[Opcode.slotInfo] = (cursor) => {
    // The slot, its keys, those of them that expire.
    for (let left = 3; left > 0; left -= 1) cursor.length();
  };
  if (isValkey) readers[Opcode.slotImport] = readSlotImport;
  return readers;
}

/** The name of an import and the ranges of slots that it brings. */
function readSlotImport(cursor: Cursor, value: Value): void {
  if (value.step === 0) {
    cursor.skipString();
    value.step = 1;
    cursor.commit();
  }
  if (value.step === 1) {
    value.left = 2 * cursor.length();
    value.step = 2;
    cursor.commit();
  }
  while (value.left > 0) {
    cursor.length();
    value.left -= 1;
    cursor.commit();
  }
}
