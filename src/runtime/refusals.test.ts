import { expect, test } from 'vitest';
import { addTime, type Instant, seconds } from '../base/time.ts';
import { NO_NEXT_HOP } from '../ports/packet-sink.ts';
import { Refusals } from './refusals.ts';

const at = (s: number): Instant => addTime(0 as Instant, seconds(s));

function refusals(): { counts: Map<string, number>; look: (s: number) => string[] } {
  const counts = new Map<string, number>();
  const told = new Refusals(() => counts, seconds(60));
  return { counts, look: (s) => told.look(at(s)) };
}

test('each error is explained once a minute, with the number since it was spoken of last', () => {
  const { counts, look } = refusals();
  expect(look(0)).toEqual([]);
  counts.set('EPERM', 5).set('ENOBUFS', 2);
  expect(look(10)).toEqual([
    expect.stringMatching(/^5 packets .*\(EPERM\): a firewall .*connection tracking.*-o/),
    expect.stringMatching(/^2 packets .*\(ENOBUFS\): the queue/),
  ]);
  counts.set('EPERM', 8);
  expect(look(20)).toEqual([]);
  counts.set('EPERM', 9);
  expect(look(70)).toEqual([expect.stringMatching(/^4 packets .*\(EPERM\)/)]);
  expect(look(200)).toEqual([]);
});

test('every error that the network gives has an explanation of its own, and an unknown one is named', () => {
  const { counts, look } = refusals();
  const names = ['EPERM', 'EACCES', 'EINVAL', 'ENETUNREACH', 'EHOSTUNREACH', 'EMSGSIZE'];
  names.push('ENOBUFS', 'EAGAIN', 'ENETDOWN', 'ENXIO', NO_NEXT_HOP);
  for (const name of names) counts.set(name, 1);
  const lines = look(0);
  expect(lines).toHaveLength(names.length);
  for (const line of lines) expect(line).not.toContain('the kernel refused them');
  expect(new Set(lines).size).toBe(names.length);
  counts.set('E4095', 1);
  expect(look(10)).toEqual([expect.stringContaining('(E4095): the kernel refused them')]);
});
