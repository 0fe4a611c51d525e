import { isUtf8 } from 'node:buffer';

/** Text that an operator typed, as the bytes of a key: one latin1 character a byte. */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Bytes as text: UTF-8 where they are, latin1 otherwise, and then their base64 too. */
export function fromBytes(bytes: string): { text: string; base64: string | null } {
  // Most names are ASCII, which is the same in both.
  if (ASCII.test(bytes)) return { text: bytes, base64: null };
  const buffer = Buffer.from(bytes, 'latin1');
  return isUtf8(buffer)
    ? { text: buffer.toString('utf8'), base64: null }
    : { text: bytes, base64: buffer.toString('base64') };
}

const ASCII = /^[ -~]*$/;

/** Bytes as fields of a result: `{ key }`, and `key_base64` where `key` alone would not say them. */
export function named<N extends string>(
  name: N,
  bytes: string,
): Record<N, string> & Partial<Record<`${N}_base64`, string>> {
  const { text, base64 } = fromBytes(bytes);
  const fields = base64 === null ? { [name]: text } : { [name]: text, [`${name}_base64`]: base64 };
  return fields as Record<N, string> & Partial<Record<`${N}_base64`, string>>;
}
