import { formatEndpoint, type IpAddress } from '../wire/address.ts';
import { isLoopback } from './address-kind.ts';
import type { Direction, Transfer } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { formatTransfer, matchesSource } from './parse-transfers.ts';

/**
 * Refuses transfers whose copies would be captured and copied again without end: the target is on this host, and some
 * transfer copies what arrives there; or what this host sends is copied, and some transfer copies what is sent to the target.
 * @param localAddresses addresses of this host besides the loopback ones
 * @throws UsageError naming the two transfers.
 */
export function refuseSelfCopy(
  transfers: readonly Transfer[],
  localAddresses: readonly IpAddress[],
  direction: Direction = 'in',
): void {
  for (const transfer of transfers) {
    const { address, port } = transfer.target;
    const isLocal = isLoopback(address) || localAddresses.some((local) => local.equals(address));
    const again = transfers.find((other) => matchesSource(other, address, port));
    // A source address that is not of this host can only mean what arrives for it, so it is taken at its word.
    // Copies leave this host wherever they go.
    const isSeen = direction === 'out' || isLocal || again?.source.address !== undefined;
    if (again && isSeen) {
      throw new UsageError(
        `Cannot use -x "${formatTransfer(transfer)}"${direction === 'out' ? ' with --direction out' : ''}: its target ${formatEndpoint(address, port)} is also a source, of "${formatTransfer(again)}", so that copies would be copied again without end`,
        'Let the target listen on another port, or name the address of the online server in the source.',
      );
    }
  }
}
