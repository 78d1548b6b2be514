import { describe, expect, it } from 'vitest';
import { addressOfPeer, PeerAccount, PeerLimits } from './peer-limits.ts';

describe('PeerLimits', () => {
  it('counts connections by address and in all, and forgets an address with its last one', () => {
    const limits = new PeerLimits({ connections: 3, connectionsPerPeer: 2, routesPerPeer: 10 });
    const taken = ['a', 'a', 'b'].map((address) => limits.admit(address)) as PeerAccount[];
    expect(taken[0]).toBe(taken[1]);
    expect(taken[0]!.quota.limit).toBe(10);
    expect([limits.admit('a'), limits.admit('b'), limits.admit('c')]).toEqual([
      'too many connections from one address',
      'too many connections',
      'too many connections',
    ]);
    expect([limits.refused, limits.addresses]).toEqual([3, 2]);
    limits.release(taken[2]!);
    expect(limits.addresses).toBe(1);
    expect(limits.admit('c')).toBeInstanceOf(PeerAccount);
  });

  it('finds the address in the name of a stream', () => {
    const names = ['10.0.0.1:4000', '[fd00::1]:4000', 'peer'];
    expect(names.map((name) => addressOfPeer(name))).toEqual(['10.0.0.1', 'fd00::1', 'peer']);
  });
});
