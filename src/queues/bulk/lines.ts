import { createReadStream } from 'node:fs';

/**
 * The lines of a file from a byte on, as many at once as a piece of it has. node:readline would not do:
 * it takes U+2028, which JSON leaves as it is, for the end of a line.
 */
export async function* linesOf(path: string, start = 0): AsyncGenerator<string[]> {
  let rest = '';
  for await (const piece of createReadStream(path, { start, encoding: 'utf8' })) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
  if (rest) yield [rest];
}
