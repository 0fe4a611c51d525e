/**
 * A word as the shell will hand it over: without quotes and backslashes, `~/` expanded. The last
 * word may be unfinished, with a quote that is still open.
 */
export function dequote(word: string, home: string | undefined): string {
  const expanded = home && word.startsWith('~/') ? home + word.slice(1) : word;
  let plain = '';
  let quote = '';
  for (let at = 0; at < expanded.length; at += 1) {
    const character = expanded[at] as string;
    if (character === quote) quote = '';
    else if (!quote && (character === '"' || character === "'")) quote = character;
    else if (character === '\\' && quote !== "'" && at + 1 < expanded.length) {
      at += 1;
      plain += expanded[at];
    } else plain += character;
  }
  return plain;
}
