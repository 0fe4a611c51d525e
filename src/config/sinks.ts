import * as z from 'zod/mini';
import { issueMessage, type Problem, problemsOf } from './problems.js';
import { durationText, filled, urlText } from './values.js';

const NAME = /^[\w.-]+$/;

/** What every sink has. Secrets come as `${NAME}` or `{ file: path }`: `config check` warns of others. */
const common = {
  name: filled().check(z.regex(NAME, 'a name has letters, digits, ".", "_" and "-" only')),
  min_severity: z._default(
    z.enum(['warn', 'critical']).check(z.describe('alerts below it are not sent here')),
    'warn',
  ),
  targets: z._default(
    z
      .array(filled())
      .check(z.minLength(1), z.describe('targets that it is told of, such as "redis:*"')),
    ['*'],
  ),
  timeout: z._default(
    durationText.check(
      z.minimum(100),
      z.maximum(60_000),
      z.describe('longest wait for one delivery'),
    ),
    10_000,
  ),
};

/** fetch refuses credentials in a URL, and its error repeats them. */
const httpUrl = () =>
  urlText('http:', 'https:').check(
    z.refine(
      (url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''),
      'must not hold a user and password; write them under headers',
    ),
  );

const headers = z._default(
  z.record(z.string(), z.string()).check(
    z.superRefine((values, issue) => {
      for (const [name, value] of Object.entries(values)) {
        try {
          new Headers([[name, value]]);
        } catch {
          // The error repeats the value.
          issue.addIssue({ code: 'custom', path: [name], message: 'is no valid HTTP header' });
        }
      }
    }),
    z.describe('sent with every request'),
  ),
  {},
);

const stdout = z.strictObject({ ...common, type: z.literal('stdout') });

const webhook = z.strictObject({
  ...common,
  type: z.literal('webhook'),
  url: httpUrl(),
  secret: filled().check(z.describe('key of the signature, HMAC-SHA256')),
  headers,
});

const slack = z.strictObject({
  ...common,
  type: z.literal('slack'),
  url: httpUrl().check(z.describe('incoming webhook; whoever knows it may write')),
});

const dingtalk = z.strictObject({
  ...common,
  type: z.literal('dingtalk'),
  url: httpUrl().check(z.describe("the robot's webhook with its access_token")),
  secret: filled().check(z.describe('key of the signature, SEC...')),
});

const email = z
  .strictObject({
    ...common,
    type: z.literal('email'),
    host: filled(),
    port: z._default(z.int().check(z.minimum(1), z.maximum(65_535)), 587),
    security: z._default(
      z
        .enum(['starttls', 'tls', 'none'])
        .check(z.describe('starttls (587) and tls (465) are demanded, never only tried')),
      'starttls',
    ),
    ca: z.optional(
      filled().check(z.describe('certificate authority of the server, PEM text: { file: ca.pem }')),
    ),
    username: z.optional(filled()),
    password: z.optional(filled()),
    from: filled(),
    to: z.array(filled()).check(z.minLength(1)),
  })
  .check(
    z.refine(({ username, password }) => username === undefined || password !== undefined, {
      error: 'is missing; expected text, since there is a username',
      path: ['password'],
    }),
    z.refine(({ security, password }) => security !== 'none' || password === undefined, {
      error: 'would be sent in clear: expected security starttls or tls',
      path: ['security'],
    }),
  );

/** Alertmanager answers a number as the value of a label with 400. */
const labels = z._default(
  z
    .record(
      z.string().check(z.regex(/^[a-zA-Z_]\w*$/, 'a label has letters, digits and "_" only')),
      filled(),
    )
    .check(z.describe('more labels of every alert')),
  {},
);

const alertmanager = z.strictObject({
  ...common,
  type: z.literal('alertmanager'),
  url: httpUrl().check(z.describe('its root, such as http://alertmanager:9093')),
  headers,
  labels,
  resend: z._default(
    durationText.check(
      z.minimum(1_000),
      z.describe('time between two evaluations; it forgets an alert after three'),
    ),
    60_000,
  ),
});

const textfile = z.strictObject({
  ...common,
  type: z.literal('textfile'),
  path: filled().check(
    z.regex(/^\/.*\.prom$/, 'expected an absolute path that ends in .prom'),
    z.describe("in the folder of node_exporter's textfile collector"),
  ),
});

export const sinkSchema = z.discriminatedUnion('type', [
  stdout,
  webhook,
  slack,
  dingtalk,
  email,
  alertmanager,
  textfile,
]);

export type SinkConfig = z.infer<typeof sinkSchema>;
export type StdoutConfig = z.infer<typeof stdout>;
export type WebhookConfig = z.infer<typeof webhook>;
export type SlackConfig = z.infer<typeof slack>;
export type DingtalkConfig = z.infer<typeof dingtalk>;
export type EmailConfig = z.infer<typeof email>;
export type AlertmanagerConfig = z.infer<typeof alertmanager>;
export type TextfileConfig = z.infer<typeof textfile>;

/**
 * The sinks that can be used, and what is wrong with the others: a sink without its secret must not
 * keep the estate from being watched, nor the other sinks from being told. Takes a configuration as
 * `loadConfig` gives it, or values that are not checked yet.
 */
export function readSinks({ alerts, unresolved = [] }: SinkSource): {
  sinks: SinkConfig[];
  problems: Problem[];
} {
  const sinks: SinkConfig[] = [];
  const problems: Problem[] = [];
  for (const [index, entry] of (alerts?.sinks ?? []).entries()) {
    const missing = unresolved.filter(({ path }) => path[2] === index);
    // An Alertmanager forgets what is not repeated: it has to know how often that is.
    const isTimed = isMapping(entry) && entry.type === 'alertmanager';
    const fields = isTimed ? { resend: alerts?.interval, ...entry } : entry;
    const { data, error } = sinkSchema.safeParse(fields, { error: issueMessage });
    const isTold = ({ path }: Problem) => missing.some((other) => `${other.path}` === `${path}`);
    const path = ['alerts', 'sinks', index];
    const found = problemsOf(error?.issues ?? [], path).filter((problem) => !isTold(problem));
    if (data && sinks.some(({ name }) => name === data.name))
      found.push({ path: [...path, 'name'], message: `"${data.name}" is there twice` });
    const all = [...missing, ...found];
    if (data && all.length === 0) sinks.push(data);
    problems.push(...all.map((problem) => named(problem, entry)));
  }
  return { sinks, problems };
}

interface SinkSource {
  alerts?: { interval?: number; sinks: readonly unknown[] } | undefined;
  /** References that lead nowhere, as `Config` has them. */
  unresolved?: readonly Problem[];
}

/** Numbers of a list say little: the name stands before the message. */
function named(problem: Problem, entry: unknown): Problem {
  const { name } = isMapping(entry) ? entry : {};
  return typeof name === 'string' && NAME.test(name)
    ? { ...problem, message: `sink ${name}: ${problem.message}` }
    : problem;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
