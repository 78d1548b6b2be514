import { describe, expect, it } from 'vitest';
import { FlowKey } from '../base/flow-key.ts';
import { addTime, type Instant, NEVER, seconds } from '../base/time.ts';
import { formatEndpoint, type IpAddress, parseAddress } from '../wire/address.ts';
import { TargetSet } from './target-set.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));
const [anne, bert] = [{}, {}];

const addressOf = (text: string): IpAddress => parseAddress(text)!;

/** The key of a session with that target. */
function target(text: string, port: number): FlowKey {
  const { w0, w1, w2, w3 } = addressOf(text);
  const key = new FlowKey();
  key.setAddress(0, 1, 2, 3, 4);
  key.setAddress(4, w0, w1, w2, w3);
  key.setPorts(40_000, port);
  return key;
}

const listOf = (set: TargetSet): string[] =>
  set
    .list()
    .map(({ address, port }) =>
      address === undefined ? `any:${port ?? 'any'}` : formatEndpoint(address, port!),
    );

describe('TargetSet', () => {
  it('is the union of what the peers have said and what they register', () => {
    const set = new TargetSet(1);
    expect([listOf(set), set.version]).toEqual([[], 0]);
    set.declare(at(0), [{ address: addressOf('10.0.0.1'), port: 80 }], anne);
    set.note(target('10.0.0.2', 81), bert);
    set.note(target('fd00::2', 82), bert);
    expect(listOf(set)).toEqual(['10.0.0.1:80', '10.0.0.2:81', '[fd00::2]:82']);
    expect(set.version).toBe(3);
    // The thousandth session with the same target changes nothing.
    set.note(target('10.0.0.2', 81), bert);
    set.note(target('10.0.0.1', 80), bert);
    expect(set.version).toBe(3);
  });

  it('knows where responses may come from', () => {
    const set = new TargetSet(1);
    set.declare(at(0), [{ address: addressOf('::'), port: 90 }], anne);
    set.note(target('10.0.0.2', 81), bert);
    const known = (text: string, port: number): boolean => set.knows(target(text, port));
    expect([known('10.0.0.2', 81), known('10.0.0.2', 80), known('10.0.0.3', 81)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([known('1.2.3.4', 90), known('fd00::7', 90)]).toEqual([true, true]);
  });

  it('keeps what nobody names any more for a minute', () => {
    const set = new TargetSet(1);
    set.note(target('10.0.0.1', 80), anne);
    set.note(target('10.0.0.1', 80), bert);
    set.note(target('10.0.0.2', 80), anne);
    set.release(at(10), anne);
    expect([set.deadline, set.version]).toEqual([at(70), 2]);
    set.expire(at(69));
    expect(listOf(set)).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
    set.expire(at(70));
    expect([listOf(set), set.version, set.deadline]).toEqual([['10.0.0.1:80'], 3, NEVER]);
    // Who comes back in time finds nothing changed.
    set.release(at(80), bert);
    set.note(target('10.0.0.1', 80), bert);
    set.expire(at(200));
    expect([listOf(set), set.version]).toEqual([['10.0.0.1:80'], 3]);
  });

  it('replaces what a peer has declared before', () => {
    const set = new TargetSet(1);
    const [one, two] = [
      { address: addressOf('10.0.0.1'), port: 80 },
      { address: addressOf('10.0.0.2'), port: 80 },
    ];
    set.declare(at(0), [one, two], anne);
    set.declare(at(0), [two], anne);
    set.expire(at(60));
    expect(listOf(set)).toEqual(['10.0.0.2:80']);
  });

  it('is bounded: first by ports, then by taking everything', () => {
    const set = new TargetSet(1, 4);
    for (let n = 0; n < 4; n++) set.note(target('10.0.0.1', 80 + n), anne);
    expect(set.isCoarse).toBe(true);
    set.note(target('10.0.0.2', 80), bert);
    set.note(target('10.0.0.3', 80), bert);
    expect(listOf(set)).toEqual([
      '10.0.0.1:80',
      '10.0.0.1:81',
      '10.0.0.1:82',
      '10.0.0.1:83',
      'any:80',
    ]);
    for (let port = 100; port < 60_000; port++) set.note(target('10.0.0.9', port), bert);
    expect(listOf(set)).toEqual(['any:any']);
    expect(set.knows(target('fd00::1', 1))).toBe(true);
    expect(set.version).toBe(4 + 4 + 1);
    set.release(at(0), bert);
    set.expire(at(60));
    expect(listOf(set)).toHaveLength(4);
  });
});
