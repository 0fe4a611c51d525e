import * as z from 'zod/mini';
import { workerControl } from './control.js';
import { filled, part, text } from './values.js';

const route = (description: string, pattern: RegExp, expected: string) =>
  z.string().check(z.regex(pattern, `expected ${expected}`), z.describe(description));
const pointer = (description: string) => route(description, /^\//, 'a JSON pointer such as /task');

/** How an application takes split tasks. */
export const tasks = part(() =>
  z
    .strictObject({
      start: route('starts a split task', /^(POST|PUT) \/\S*$/, '"POST /path"'),
      body: filled().check(z.describe('sent with it; {items} becomes a JSON array of items')),
      item: z._default(
        text('one of {items}, as JSON; {n} becomes its number. It is to take a while'),
        '{"paper":{n}}',
      ),
      items: z._default(
        z
          .int()
          .check(
            z.minimum(2),
            z.maximum(10_000),
            z.describe('how many items: enough that every worker gets a batch of them'),
          ),
        120,
      ),
      id: z._default(pointer('where the answer has its id'), '/task'),
      read: route('reads a task', /^GET \/\S*\{task\}\S*$/, '"GET /path/{task}"'),
      status: z._default(pointer('where that answer has its status'), '/status'),
      user: z._default(
        filled().check(z.describe('to whom the tasks of drills belong; sent as X-User-Id')),
        'cache-ops-drill',
      ),
      postgres: z.optional(text('the Postgres of its tables; the first one where it is left out')),
    })
    .check(z.describe('routes to start a split task and to read it, for drills')),
);

/** A process that works on batches of split tasks. */
export const worker = part(() =>
  z.strictObject({
    owner: z.optional(
      text('how batches name it (asl_screening_batches.owner); its name where it is left out'),
    ),
    application: z.optional(
      text('the application that ends with it; the one of its name where it is left out'),
    ),
    control: workerControl,
  }),
);

export type TasksConfig = z.infer<typeof tasks>;
export type WorkerConfig = z.infer<typeof worker>;
