/** Breaks at spaces, and inside a word only when it is longer than a line. */
export function wrap(text: string, width: number): string[] {
  return fold(text, width).flatMap((line) =>
    line.length <= width ? [line] : (line.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []),
  );
}

/** Breaks at spaces only: a path that is longer than a line stays whole, so that it can be copied. */
export function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.pop();
    if (last === undefined) lines.push(word);
    // What is indented stays so, also where its first word is longer than the line.
    else if (last.length + 1 + word.length <= width || last.trim() === '') {
      lines.push(`${last} ${word}`);
    } else lines.push(last, word);
  }
  return lines;
}
