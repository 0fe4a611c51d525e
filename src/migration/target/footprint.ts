import { SIZE, sizesOf } from '../../redis/rdb/sizes.js';

const SIZES = sizesOf(16);

/**
 * What a string with a TTL takes in the memory of a Redis: key, value, an entry each in the tables of
 * keys and of expiries, and their slots, of which half are free after a table has grown.
 */
export function footprint(key: number, value: number): number {
  const slots = 2 * (SIZES.allocated(SIZE.dictEntry) + 1.5 * SIZE.pointer);
  return SIZES.sds(key) + SIZE.robj + SIZES.sds(value) + slots;
}
