import type { Check } from './check.js';

/**
 * A failed check as a GitHub Actions error annotation. Escaped as the runner decodes it: data has
 * %, CR and LF; a property also : and comma
 * (https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
 */
export function annotation({ subject, check, detail }: Check): string {
  const title = property('cache-ops smoke');
  return `::error title=${title}::${data(`${subject}: ${check} failed: ${detail ?? ''}`)}`;
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
