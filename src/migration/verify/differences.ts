/** What two JSON values differ in, in one line; names of fields, and their values where these are short. */
export function differences(planned: Buffer, there: Buffer): string {
  const [one, two] = [objectIn(planned), objectIn(there)];
  if (!one || !two) {
    return two ? 'other content' : 'the target holds no JSON object';
  }
  const names = [...new Set([...Object.keys(one), ...Object.keys(two)])];
  const changed = names.filter((name) => JSON.stringify(one[name]) !== JSON.stringify(two[name]));
  if (changed.length === 0) return 'the same fields, written in another way';
  const said = changed
    .slice(0, 4)
    .map((name) => `${name}: ${brief(one[name])} > ${brief(two[name])}`);
  return said.join(', ') + (changed.length > 4 ? ` and ${changed.length - 4} more` : '');
}

function objectIn(text: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.toString('utf8'));
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function brief(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
