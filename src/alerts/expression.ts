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
type Truth = Extract<Node, { type: 'truth' }>;
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
  const parser = new Parser(text);
  const { eval: holds } = parser.whole();
  const metrics = [...new Set(parser.metrics)];
  return { text, metrics, kind: kindOf(metrics), holds };
}

/** A method for each line of the grammar. */
class Parser {
  readonly metrics: MetricName[] = [];
  readonly #tokens: Token[];
  #next = 0;

  constructor(private readonly text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): Truth {
    const whole = this.#truth(this.#or());
    if (this.#token) this.#fail('"and", "or" or the end');
    return whole;
  }

  #or(): Node {
    return this.#chain('or', () => this.#chain('and', () => this.#not()));
  }

  #chain(word: 'or' | 'and', part: () => Node): Node {
    let left = part();
    while (this.#isNext(word)) {
      const a = this.#truth(left);
      this.#take();
      const b = this.#truth(part());
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

  #not(): Node {
    if (!this.#isNext('not')) return this.#comparison();
    const { at } = this.#take();
    const inner = this.#truth(this.#not());
    const evaluate = (read: Read) => {
      const value = inner.eval(read);
      return value === null ? null : !value;
    };
    return { type: 'truth', at, eval: evaluate };
  }

  #comparison(): Node {
    const left = this.#sum();
    const compare = COMPARE[this.#token?.text ?? ''];
    if (!compare) return left;
    const a = this.#number(left);
    this.#take();
    const b = this.#number(this.#sum());
    return { type: 'truth', at: a.at, eval: (read) => both(a.eval(read), b.eval(read), compare) };
  }

  #sum(): Node {
    return this.#calculation(['+', '-'], () => this.#calculation(['*', '/'], () => this.#unary()));
  }

  #calculation(operators: readonly string[], part: () => Node): Node {
    let left = part();
    while (operators.includes(this.#token?.text ?? '')) {
      const a = this.#number(left);
      const calculate = CALCULATE[this.#take().text] as (a: number, b: number) => number;
      const b = this.#number(part());
      const evaluate = (read: Read) => finite(both(a.eval(read), b.eval(read), calculate));
      left = { type: 'number', at: a.at, eval: evaluate };
    }
    return left;
  }

  #unary(): Node {
    const token = this.#token;
    if (token === undefined) return this.#fail('a number or a metric');
    const { text, at } = token;
    if (text === '-') {
      this.#take();
      const inner = this.#number(this.#unary());
      const evaluate = (read: Read) => {
        const value = inner.eval(read);
        return value === null ? null : -value;
      };
      return { type: 'number', at, eval: evaluate };
    }
    if (text === '(') {
      this.#take();
      const inner = this.#or();
      if (!this.#isNext(')')) this.#fail('")"');
      this.#take();
      return { ...inner, at };
    }
    if (/^\d/.test(text)) {
      const value = quantity(text) ?? this.#fail('a unit such as %, ms, s, m, h, kb or mb');
      this.#take();
      return { type: 'number', at, eval: () => value };
    }
    if (!/^[a-z_]/i.test(text) || /^(and|or|not)$/i.test(text))
      return this.#fail('a number or a metric');
    const name = metricNamed(token);
    this.metrics.push(name);
    this.#take();
    return { type: 'number', at, eval: (read) => read(name) };
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #isNext(word: string): boolean {
    return this.#token?.text.toLowerCase() === word;
  }

  #take(): Token {
    return this.#tokens[this.#next++] as Token;
  }

  get #at(): number {
    return this.#token?.at ?? this.text.length + 1;
  }

  #truth(node: Node): Truth {
    return node.type === 'truth' ? node : this.#fail('a comparison such as "> 0.7"');
  }

  #number(node: Node): Extract<Node, { type: 'number' }> {
    if (node.type === 'number') return node;
    const found = this.text.slice(node.at - 1, this.#at - 1).trim();
    return this.#fail('a number or a metric', node.at, found);
  }

  #fail(expected: string, at = this.#at, found = this.#token?.text): never {
    const what = found === undefined ? 'the end' : `"${found}"`;
    throw new ExpressionError(`column ${at}: expected ${expected}, found ${what}`);
  }
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
