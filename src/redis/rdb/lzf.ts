/**
 * Unpacks LZF (http://oldhome.schmorp.de/marc/liblzf.html) from `input` [from, to) until `output` is
 * full or the input has ended. Returns how many bytes came out, or -1 when the input is no LZF.
 */
export function unpack(
  input: Uint8Array,
  from: number,
  to: number,
  output: Uint8Array,
  limit: number,
): number {
  let at = from;
  let out = 0;
  while (at < to && out < limit) {
    const control = input[at++] as number;
    if (control < 32) {
      const end = Math.min(at + control + 1, to);
      while (at < end && out < limit) output[out++] = input[at++] as number;
      continue;
    }
    let length = (control >> 5) + 2;
    if (length === 9) length += input[at++] ?? 0;
    let back = out - ((control & 31) << 8) - (input[at++] ?? 0) - 1;
    if (back < 0) return -1;
    const end = Math.min(out + length, limit);
    while (out < end) output[out++] = output[back++] as number;
  }
  return out;
}
