import { CountId } from '../control/count-id.ts';
import { type InterceptCounters, unusableTotal } from './counters.ts';
import type { Peer } from './peer.ts';
import { Cause } from './unrouted.ts';

/**
 * Puts the counts that the ledger of a tcpcopy needs into what is sent to it. `lost`: packets lost between the kernel and us.
 * False when there is no room; the next time tells the totals again.
 */
export function addCounts(peer: Peer, c: InterceptCounters, lost: number): boolean {
  const by = c.unrouted;
  const { end } = peer;
  return (
    end.addCount(CountId.captured, c.received) &&
    end.addCount(CountId.lostByKernel, lost) &&
    end.addCount(CountId.neverRegistered, by[Cause.neverRegistered] as number) &&
    end.addCount(CountId.expired, (by[Cause.ended] as number) + (by[Cause.orphaned] as number)) &&
    end.addCount(CountId.foreign, by[Cause.foreign] as number) &&
    end.addCount(CountId.unusable, unusableTotal(c)) &&
    end.addCount(CountId.sent, peer.sent) &&
    end.addCount(CountId.slowPeer, peer.dropped) &&
    end.addCount(CountId.routes, peer.routes)
  );
}
