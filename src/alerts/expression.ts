import { nearest } from '../config/nearest.js';
import { duration, size } from '../config/units.js';
import { type Kind, METRIC_NAMES, METRICS, type MetricName } from '../health/metrics.js';

/**
 * Conditions over measured values, such as `memory.used_ratio > 70% and clients.connected > 10`:
 *
 *   or         = and { "or" and }
 *   and        = not { "and" not }
 *   not        = "not" not | comparison
 *   comparison = sum [ (">" | ">=" | "<" | "<=" | "==" | "!=") sum ]
 *   sum        = product { ("+" | "-") product }
 *   product    = unary { ("*" | "/") unary }
 *   unary      = "-" unary | "(" or ")" | number [ unit ] | metric
 *
 * A unit is % (of 1), ms, s, m, h, d (milliseconds) or b, kb, mb, gb, tb (bytes). What is not known makes
 * a condition unknown, unless the rest of it decides.
 */
export interface Expression {
  text: string;
  /** Those that it names, in their order; all of one kind. */
  metrics: readonly MetricName[];
  kind: Kind;
  /** Null where too much is unknown to tell. */
  holds(value: (metric: MetricName) => number | null): boolean | null;
}

/** What is wrong, with its place: `column 9: expected a number or a metric, found ">"`. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

type Read = (metric: MetricName) => number | null;
/** A part of an expression: a number or a truth, and where it begins. */
type Node =
  | { type: 'number'; at: number; eval: (read: Read) => number | null }
  | { type: 'truth'; at: number; eval: (read: Read) => boolean | null };
interface Token {
  text: string;
  at: number;
}

const LONGEST = 1_000;
const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:\s*%|[a-z]+)?|[a-z_][\w.]*|>=|<=|==|!=|[><()+\-*/])|(\S))/giy;
const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};
const CALCULATE: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

/** Throws ExpressionError. */
export function parseExpression(text: string): Expression {
  if (text.length > LONGEST) throw new ExpressionError(`is longer than ${LONGEST} characters`);
  const metrics: MetricName[] = [];
  const tokens = tokensOf(text);
  let next = 0;
  const peek = () => tokens[next]?.text.toLowerCase();
  const at = () => tokens[next]?.at ?? text.length + 1;
  const take = () => tokens[next++] as Token;
  const fail = (expected: string, where = at(), found = tokens[next]?.text): never => {
    throw new ExpressionError(
      `column ${where}: expected ${expected}, found ${found === undefined ? 'the end' : `"${found}"`}`,
    );
  };
  const truth = (node: Node) =>
    node.type === 'truth' ? node : fail('a comparison such as "> 0.7"', at(), tokens[next]?.text);
  const number = (node: Node) =>
    node.type === 'number'
      ? node
      : fail('a number or a metric', node.at, text.slice(node.at - 1, at() - 1).trim());

  function chain(word: 'or' | 'and', part: () => Node): Node {
    let left = part();
    while (peek() === word) {
      const a = truth(left);
      take();
      const b = truth(part());
      const decides = word === 'or';
      const evaluate = (read: Read) => {
        const [x, y] = [a.eval(read), b.eval(read)];
        if (x === decides || y === decides) return decides;
        return x === null || y === null ? null : !decides;
      };
      left = { type: 'truth', at: a.at, eval: evaluate };
    }
    return left;
  }
  const or = (): Node => chain('or', () => chain('and', not));
  function not(): Node {
    if (peek() !== 'not') return comparison();
    const { at: start } = take();
    const inner = truth(not());
    const evaluate = (read: Read) => {
      const value = inner.eval(read);
      return value === null ? null : !value;
    };
    return { type: 'truth', at: start, eval: evaluate };
  }
  function comparison(): Node {
    const left = calculation(['+', '-'], () => calculation(['*', '/'], unary));
    const compare = COMPARE[peek() ?? ''];
    if (!compare) return left;
    const a = number(left);
    take();
    const b = number(calculation(['+', '-'], () => calculation(['*', '/'], unary)));
    return { type: 'truth', at: a.at, eval: (read) => both(a.eval(read), b.eval(read), compare) };
  }
  function calculation(operators: readonly string[], part: () => Node): Node {
    let left = part();
    while (operators.includes(peek() ?? '')) {
      const a = number(left);
      const calculate = CALCULATE[take().text] as (a: number, b: number) => number;
      const b = number(part());
      const evaluate = (read: Read) => finite(both(a.eval(read), b.eval(read), calculate));
      left = { type: 'number', at: a.at, eval: evaluate };
    }
    return left;
  }
  function unary(): Node {
    const token = tokens[next];
    if (token === undefined) return fail('a number or a metric');
    if (token.text === '-') {
      take();
      const inner = number(unary());
      const evaluate = (read: Read) => {
        const value = inner.eval(read);
        return value === null ? null : -value;
      };
      return { type: 'number', at: token.at, eval: evaluate };
    }
    if (token.text === '(') {
      take();
      const inner = or();
      if (peek() !== ')') fail('")"');
      take();
      return { ...inner, at: token.at };
    }
    if (/^\d/.test(token.text)) {
      const value = quantity(token.text) ?? fail('a unit such as %, ms, s, m, h, kb or mb');
      take();
      return { type: 'number', at: token.at, eval: () => value };
    }
    if (!/^[a-z_]/i.test(token.text) || /^(and|or|not)$/i.test(token.text))
      return fail('a number or a metric');
    const name = metricNamed(token);
    metrics.push(name);
    take();
    return { type: 'number', at: token.at, eval: (read) => read(name) };
  }

  const whole = truth(or());
  if (next < tokens.length) fail('"and", "or" or the end');
  return { text, metrics: [...new Set(metrics)], kind: kindOf(metrics), holds: whole.eval };
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const [whole, token, stranger] = match;
    const at = match.index + whole.length - (token ?? stranger ?? '').length + 1;
    if (stranger !== undefined)
      throw new ExpressionError(`column ${at}: "${stranger}" has no meaning here`);
    tokens.push({ text: token ?? '', at });
  }
  return tokens;
}

function metricNamed({ text, at }: Token): MetricName {
  const name = METRIC_NAMES.find((known) => known === text);
  if (name) return name;
  throw new ExpressionError(
    `column ${at}: there is no metric "${text}" (${nearest(text, METRIC_NAMES)})`,
  );
}

/** A queue's values and a Redis's have nothing in common that they could be compared by. */
function kindOf(metrics: readonly MetricName[]): Kind {
  const [first, ...others] = metrics;
  if (!first) throw new ExpressionError('names no metric: it would always be the same');
  const { kind } = METRICS[first];
  const other = others.find((name) => METRICS[name].kind !== kind);
  if (other)
    throw new ExpressionError(
      `${first} is of a ${kind} and ${other} of a ${METRICS[other].kind}: expected one kind`,
    );
  return kind;
}

/** A number with its unit: 80% is 0.8, 5m is 300,000 ms, 10kb is 10,240 bytes. */
export function quantity(text: string): number | undefined {
  const [, digits, unit = ''] = /^(-?\d+(?:\.\d+)?)\s*(%|[a-z]*)$/i.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  if (unit === '') return Number(digits);
  if (unit === '%') return Number(digits) / 100;
  return duration(digits + unit) ?? size(digits + unit);
}

function both<T>(a: number | null, b: number | null, work: (a: number, b: number) => T): T | null {
  return a === null || b === null ? null : work(a, b);
}

/** Nothing can be said of what was divided by 0. */
const finite = (value: number | null) => (value !== null && Number.isFinite(value) ? value : null);
