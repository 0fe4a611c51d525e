import { expect, it } from 'vitest';
import type { Raw } from '../../src/migration/entry.js';
import { judge, type Rules } from '../../src/migration/judge.js';
import { plainText, quickLook } from '../../src/migration/quick.js';
import { shapeOf } from '../../src/migration/shape.js';

const rules: Rules = { kind: 'tasks', shape: shapeOf('tasks'), prefix: 'app:test:', now: 0 };
const LINE =
  '{"user": "u1","task":"t-1","status":"processing","n":[1,-0.5e+3,{"a":null,"b":[true,false,{}],"c":"x"}],"m":{},"l":[],"updatedAt":"2024-06-07T10:00:00.000Z" }';

/** Both ways must come to the same: to the same entry, or the quick one to none. */
function agree(text: string): boolean {
  const raw: Raw = { place: 1, text: Buffer.from(text), ascii: true };
  const before = '{"user":"other"}\n';
  const plain = plainText(Buffer.from(`${before}${text}\n"}`));
  const from = before.length;
  const placed = { ...raw, ...(plain !== undefined && { plain, from }) };
  const [slow, quick] = [judge(raw, rules), judge(placed, { ...rules, plain: true })];
  expect(quick, text).toEqual(slow);
  return plain !== undefined && quickLook(plain, from, from + text.length) !== undefined;
}

it('reads a plain line without JSON.parse', () => {
  expect(quickLook(LINE, 0, LINE.length)).toEqual({
    user: 'u1',
    id: 't-1',
    updatedAt: '2024-06-07T10:00:00.000Z',
  });
  expect(agree(LINE)).toBe(true);
});

it.each([
  '{"user":"a","user":"b","task":"t","status":"x"}',
  '{"user":"a","user_id":"b","task":"t","status":"x"}',
  '{"user":"a","task":"t","status":"x","value":{"status":"y"}}',
  '{"user":"a","task":"t","status":"x","ttl":5}',
  '{"user":"a\\u0062","task":"t","status":"x"}',
  '{"us\\u0065r":"a","task":"t","status":"x"}',
  '{"user":null,"user_id":"a","task":"t","status":"x"}',
  '{"user":"a:b","task":"t","status":"x"}',
  '{"user":"a","task":"t","status":"x"',
  '{"user":"a","task":"t","status":"x"} x',
  '{"user":"a","task":"t","status":"x",}',
  '{"user":"a","task":"t","status":"x","n":01}',
  '{"user":"a","task":"t","status":"x","n":1.}',
  '{"user":"a","task":"t","status":"x","n":tru}',
  '{}',
])('leaves to JSON.parse what is out of the ordinary: %s', (text) => {
  agree(text);
});

it('never takes for valid what JSON.parse does not: 30,000 lines with a few bytes changed', () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const letters = '{}[]",:\\0-.eE+ tfnu1a\t';
  let quick = 0;
  for (let round = 0; round < 30_000; round += 1) {
    const bytes = [...LINE];
    for (let change = random(3); change >= 0; change -= 1) {
      const at = random(bytes.length);
      const kind = random(3);
      if (kind === 0) bytes[at] = letters[random(letters.length)] as string;
      else if (kind === 1) bytes.splice(at, 1);
      else bytes.splice(at, 0, letters[random(letters.length)] as string);
    }
    if (agree(bytes.join(''))) quick += 1;
  }
  expect(quick).toBeGreaterThan(1_000);
});
