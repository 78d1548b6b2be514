import type { LinkTarget, Output, Transfer } from './config.ts';
import { UsageError } from './exit-codes.ts';
import { checkInterfaceName } from './parse-interfaces.ts';
import { formatTransfer } from './parse-transfers.ts';

/**
 * The interface of -o, and how frames for each target are addressed on it, as far as -x says.
 * @throws UsageError for a name that no interface can have, or two MAC addresses for one target.
 */
export function readOutput(device: string, transfers: readonly Transfer[]): Output {
  checkInterfaceName('-o', device);
  if (device === 'any') {
    throw new UsageError(
      'Cannot use -o "any": copies leave by one interface',
      '"ip route get" with the address of the target says which.',
    );
  }
  const targets = new Map<string, LinkTarget>();
  for (const transfer of transfers) {
    const { address } = transfer.target;
    const key = address.toString();
    const before = targets.get(key) ?? { address };
    refuseContradiction(transfer, before);
    targets.set(key, { ...before, ...transfer.link });
  }
  return { device, targets: [...targets.values()] };
}

/** A packet says to which host it goes, and not of which pair it is. */
function refuseContradiction(transfer: Transfer, before: LinkTarget): void {
  const { link, target } = transfer;
  for (const end of ['nextHop', 'source'] as const) {
    const [mine, other] = [link?.[end], before[end]];
    if (mine === undefined || other === undefined || mine.join() === other.join()) continue;
    throw new UsageError(
      `Cannot use -x "${formatTransfer(transfer)}": another pair has another MAC address for the same target ${target.address.toString()}: expected one`,
    );
  }
}

/** What -o does not know, or what needs it. */
export function outputWarnings(
  output: Output | undefined,
  transfers: readonly Transfer[],
): string[] {
  if (output === undefined) {
    return transfers
      .filter(({ link }) => link !== undefined)
      .map((t) => `-x "${formatTransfer(t)}": its MAC addresses are not used without -o`);
  }
  const loopback = transfers.find(({ loopbackOnly }) => loopbackOnly);
  if (loopback?.target.address.family !== 4) return [];
  return [
    `-o and the target ${loopback.target.address.toString()}: the kernel drops such packets unless route_localnet and accept_local in net.ipv4.conf.${output.device} are 1; without -o it needs neither`,
  ];
}
