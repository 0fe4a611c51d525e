import type { KeyRule } from '../config/schema.js';
import { bytesText, spanText } from '../words.js';
import type { FoundKey } from './look.js';
import type { Master, Masters } from './masters.js';
import type { QueueKeys } from './queue-keys.js';
import type { RuleMatch, Rules } from './rules.js';
import { messagesIn } from './session.js';
import { type Shape, Shapes } from './shapes.js';
import { type Batch, type Walked, walkKeys } from './walk.js';

/** What can be wrong with a key, in the order of a report. */
export const FINDINGS = [
  'missing_user',
  'foreign_environment',
  'foreign_prefix',
  'no_rule',
  'no_ttl',
  'ttl_above',
  'too_many_messages',
  'too_large',
  'wrong_type',
] as const;
type FindingKind = (typeof FINDINGS)[number];

/** Keys of one rule with the same thing wrong. */
export interface Finding {
  kind: FindingKind;
  /** The rule's pattern; null for keys that fit none. */
  rule: string | null;
  keys: number;
  /** Null where no size is known. */
  bytes: number | null;
  examples: { key: string; detail: string | null }[];
}

export interface Audited extends Walked {
  /** Keys that have been judged. */
  judged: number;
  /** Those with at least one finding. */
  violating: number;
  /** Keys of BullMQ queues: they follow no rule and are no violation. */
  queues: { queue: string; keys: number; bytes: number | null }[];
  findings: Finding[];
  /** What the keys that fit no rule look like. */
  shapes: Shape[];
  /** Sessions whose messages could not be counted. */
  uncounted: number;
}

interface AuditOptions {
  rules: Rules;
  queues: QueueKeys;
  signal: AbortSignal;
  /** Examples of each finding. */
  examples: number;
  onProgress?: (keys: number) => void;
}

/** Holds every key against the rules. Reads only; memory does not grow with the number of keys. */
export async function auditKeys(masters: Masters, options: AuditOptions): Promise<Audited> {
  const audit = new Audit(masters, options);
  const wanted = { facts: true, sizes: true };
  const found = await walkKeys(masters, wanted, (batch) => audit.take(batch), options.signal);
  return { ...found, ...audit.result() };
}

/** Queues that are told apart; the keys of those beyond are one line. */
const QUEUES = 100;

class Audit {
  #judged = 0;
  #violating = 0;
  #uncounted = 0;
  readonly #findings = new Map<string, Finding>();
  readonly #queues = new Map<string, { keys: number; bytes: number | null }>();
  readonly #shapes = new Shapes();

  constructor(
    private readonly masters: Masters,
    private readonly options: AuditOptions,
  ) {}

  async take({ master, keys }: Batch): Promise<void> {
    const { rules, queues, onProgress } = this.options;
    const judged: { key: FoundKey; match: RuleMatch | undefined; faults: Fault[] }[] = [];
    for (const key of keys) {
      const queue = queues.queueOf(key.key);
      if (queue !== undefined) {
        this.#count(queue, key);
        continue;
      }
      const match = rules.match(key.key);
      judged.push({ key, match, faults: [...nameFaults(match), ...ttlFaults(key, match?.rule)] });
    }
    await this.#weigh(master, judged);
    await this.#read(master, judged);
    for (const { key, match, faults } of judged) this.#note(key, match?.rule, faults);
    this.#judged += judged.length;
    onProgress?.(this.#judged);
  }

  result(): Omit<Audited, keyof Walked> {
    const findings = [...this.#findings.values()].sort(
      (a, b) => FINDINGS.indexOf(a.kind) - FINDINGS.indexOf(b.kind) || b.keys - a.keys,
    );
    const queues = [...this.#queues].map(([queue, sums]) => ({ queue, ...sums }));
    return {
      judged: this.#judged,
      violating: this.#violating,
      queues: queues.sort((a, b) => b.keys - a.keys),
      findings,
      shapes: this.#shapes.list(),
      uncounted: this.#uncounted,
    };
  }

  /** Values over the rule's size. MEMORY USAGE counts the key and what the allocator rounds up. */
  async #weigh(master: Master, judged: readonly Judged[]): Promise<void> {
    const heavy = judged.filter(
      ({ key, match }) => (key.bytes ?? 0) > (match?.rule.max_size ?? Infinity),
    );
    const strings = heavy.filter(({ key }) => key.type === 'string');
    const lengths =
      strings.length > 0
        ? await this.masters.ask(
            master,
            strings.map(({ key }) => ['STRLEN', key.key]),
          )
        : [];
    for (const one of heavy) {
      const length = lengths[strings.indexOf(one)];
      const size = typeof length === 'number' ? length : (one.key.bytes ?? 0);
      const most = one.match?.rule.max_size ?? Infinity;
      if (size > most)
        one.faults.push(['too_large', `${bytesText(size)}, at most ${bytesText(most)}`]);
    }
  }

  /** Sessions with more messages than the rule allows. */
  async #read(master: Master, judged: readonly Judged[]): Promise<void> {
    const sessions = judged.filter(({ match }) => match?.rule.max_messages !== undefined);
    const counts = await messagesIn(
      this.masters,
      master,
      sessions.map(({ key }) => key),
    );
    for (const [index, { match, faults }] of sessions.entries()) {
      const messages = counts[index] ?? null;
      const most = match?.rule.max_messages ?? Infinity;
      if (messages === null) this.#uncounted += 1;
      else if (messages > most)
        faults.push(['too_many_messages', `${messages} messages, at most ${most}`]);
    }
  }

  #note(key: FoundKey, rule: KeyRule | undefined, faults: readonly Fault[]): void {
    if (faults.length > 0) this.#violating += 1;
    if (!rule) this.#shapes.add(key.key, key.bytes);
    for (const [kind, detail] of faults) {
      const id = `${kind} ${rule?.match ?? ''}`;
      const finding = this.#findings.get(id) ?? {
        kind,
        rule: rule?.match ?? null,
        keys: 0,
        bytes: null,
        examples: [],
      };
      this.#findings.set(id, finding);
      finding.keys += 1;
      if (key.bytes !== null) finding.bytes = (finding.bytes ?? 0) + key.bytes;
      if (finding.examples.length < this.options.examples) {
        finding.examples.push({ key: key.key, detail });
      }
    }
  }

  #count(queue: string, { bytes }: FoundKey): void {
    const name = this.#queues.has(queue) || this.#queues.size < QUEUES ? queue : 'others';
    const sums = this.#queues.get(name) ?? { keys: 0, bytes: null };
    this.#queues.set(name, sums);
    sums.keys += 1;
    if (bytes !== null) sums.bytes = (sums.bytes ?? 0) + bytes;
  }
}

type Fault = [kind: FindingKind, detail: string | null];

interface Judged {
  key: FoundKey;
  match: RuleMatch | undefined;
  faults: Fault[];
}

function nameFaults(match: RuleMatch | undefined): Fault[] {
  if (!match) return [['no_rule', null]];
  return match.faults.map((fault) => [fault, null]);
}

/** A key without a rule must have a TTL too: it is what frees the memory when its owner is gone. */
function ttlFaults({ type, ttl_ms }: FoundKey, rule: KeyRule | undefined): Fault[] {
  const faults: Fault[] = [];
  const most = rule?.max_ttl ?? rule?.ttl;
  if (ttl_ms === null && rule?.ttl_required !== false) faults.push(['no_ttl', null]);
  if (ttl_ms !== null && most !== undefined && ttl_ms > most) {
    faults.push(['ttl_above', `${spanText(ttl_ms)}, at most ${spanText(most)}`]);
  }
  if (rule?.type !== undefined && rule.type !== type) {
    faults.push(['wrong_type', `${type}, expected ${rule.type}`]);
  }
  return faults;
}
