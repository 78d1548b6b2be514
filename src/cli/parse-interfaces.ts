import { UsageError } from './exit-codes.ts';
import { splitList } from './split-list.ts';

/** Longest name of a network interface on Linux, without the closing zero (IFNAMSIZ − 1). */
const MAX_NAME = 15;

/**
 * The interface names of `-i`, none twice; empty when `any` is among them, which means all. Whether they exist is found
 * out when the capture is opened.
 * @throws UsageError for a name that no interface can have.
 */
export function parseInterfaces(text: string): readonly string[] {
  const names = splitList('-i', text);
  for (const name of names) {
    if (name.includes('/') || /\.(pcap|pcapng|cap)$/i.test(name)) {
      throw new UsageError(
        `Cannot use -i "${name}": it looks like a file: expected the name of a network interface`,
        'Add --offline, or use --read in the place of -i.',
      );
    }
    checkInterfaceName('-i', name);
  }
  return names.includes('any') ? [] : [...new Set(names)];
}

/** @throws UsageError for a name that no interface can have; `label` is the option it belongs to. */
export function checkInterfaceName(label: string, name: string): void {
  if (!/[\s/]/.test(name) && name.length <= MAX_NAME) return;
  throw new UsageError(
    `Cannot use ${label} "${name}": expected the name of a network interface, at most ${MAX_NAME} characters without blanks`,
    '"ip -brief link" lists the interfaces.',
  );
}
