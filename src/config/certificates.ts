import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf } from '../errors.js';
import { at, type Problem } from './problems.js';

/**
 * The certificate files that cannot be used: not readable, or not PEM. Takes any value, so that
 * they are told together with what else is wrong.
 */
export function certificateProblems(config: unknown, folder: string): Problem[] {
  return Object.keys(at(config, ['redis']) ?? {}).flatMap((name) =>
    ['ca', 'cert', 'key'].flatMap((key): Problem[] => {
      const path = ['redis', name, 'tls', key];
      const file = at(config, path);
      // A variable that is not set is told already.
      if (typeof file !== 'string' || file.includes('${')) return [];
      const message = pemProblem(resolve(folder, file));
      return message ? [{ path, message }] : [];
    }),
  );
}

function pemProblem(file: string): string | undefined {
  try {
    if (readFileSync(file, 'latin1').includes('-----BEGIN ')) return undefined;
    return `${file} is not a PEM file`;
  } catch (error) {
    return `cannot read the certificate file ${file} (${codeOf(error)})`;
  }
}
