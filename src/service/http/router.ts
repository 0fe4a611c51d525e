import type { Handler, Method, Routes } from './types.js';
import { HttpError } from './types.js';

export interface Match {
  /** The template that matched. */
  route: string;
  handler: Handler;
  params: Record<string, string>;
}

/** The handler of a path as it stood in the request line; throws 400, 404 or 405. */
export function findRoute(routes: Routes, method: string, path: string): Match {
  const parts = path.split('/');
  for (const [template, methods] of Object.entries(routes)) {
    const params = matchPath(template.split('/'), parts);
    if (!params) continue;
    const handler = methods[method as Method] ?? (method === 'HEAD' ? methods.GET : undefined);
    if (handler) return { route: template, handler, params };
    const allow = Object.keys(methods).join(', ');
    throw new HttpError(405, `${method} is not allowed here`, { allow });
  }
  throw new HttpError(404, 'no such route');
}

/** Split first and decoded after, so that an encoded slash stays inside its part. */
function matchPath(template: string[], parts: string[]): Record<string, string> | undefined {
  if (template.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, name] of template.entries()) {
    const part = parts[index] ?? '';
    if (name.startsWith(':')) params[name.slice(1)] = decode(part);
    else if (name !== part) return undefined;
  }
  return params;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, 'path: not valid percent-encoded UTF-8');
  }
}
