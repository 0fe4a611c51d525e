import * as z from 'zod/mini';
import { name, part, text, urlText } from './values.js';

const pointer = (description: string) =>
  z.optional(
    z
      .string()
      .check(z.regex(/^\//, 'expected a JSON pointer such as /user'), z.describe(description)),
  );

/** Where an entry of a source has what a migration needs, where it is not where the estate's own have it. */
const mapping = () =>
  z.strictObject({
    id: pointer('the task, session or job'),
    user: pointer('whose it is'),
    status: pointer('text'),
    updatedAt: pointer('when it was changed last: ISO, or seconds or ms since 1970'),
    expiresAt: pointer('when it expires'),
    ttl: pointer('how long it lives, in seconds'),
    chat: pointer('generate, optimize or search'),
    messages: pointer('the messages of a session, the newest last'),
    value: pointer('the object that is stored; the whole entry where it is left out'),
    queue: pointer('the queue of a job'),
    name: pointer('the name of a job'),
    data: pointer('the data of a job'),
    priority: pointer('the priority of a job'),
    runAt: pointer('when a job is to run'),
  });

/** A route of an application that gives its state page by page. */
const source = () =>
  z.strictObject({
    url: urlText('http:', 'https:'),
    token: z.optional(text('sent as "Authorization: Bearer ..."')),
    entries: z._default(z.string().check(z.regex(/^\//)), '/entries'),
    next: z._default(
      z.string().check(z.regex(/^\//), z.describe('cursor of the next page')),
      '/next',
    ),
    changes: z.optional(
      urlText('http:', 'https:').check(z.describe('a route that gives what has changed since')),
    ),
  });

/** Where the state is that is moved, and what its entries look like. */
export const migration = part(() => {
  const shape = mapping();
  return z.strictObject({
    tasks: z.optional(shape),
    sessions: z.optional(shape),
    jobs: z.optional(shape),
    sources: z._default(z.record(name, source()), {}),
  });
});
