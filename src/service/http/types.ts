import type { IncomingHttpHeaders } from 'node:http';
import type * as z from 'zod';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** A request as a route sees it. */
export interface Call {
  /** The decoded `:name` parts of the route's path. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** Reads and checks the body; rejects with an HttpError. */
  body<T extends z.ZodType>(schema: T): Promise<z.output<T>>;
}

export interface Reply {
  status: number;
  body: unknown;
  /** The body is text of this content type; JSON without it. */
  type?: string;
}

export type Handler = (call: Call) => Promise<Reply> | Reply;

/** Handlers by path (`/api/tasks/:task`) and method. HEAD is answered by GET, without the body. */
export type Routes = Readonly<Record<string, Partial<Record<Method | 'HEAD', Handler>>>>;

/** An answer that is the client's doing; the message is shown to it. */
export class HttpError extends Error {
  override readonly name = 'HttpError';

  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export const ok = (body: unknown): Reply => ({ status: 200, body });
