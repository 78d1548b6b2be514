import { openLinkSender } from '../linux/link-sender.ts';
import { openRawSender } from '../linux/raw-sender.ts';
import type { PacketSender } from '../linux/send-tally.ts';
import type { Log } from '../ports/log.ts';
import type { TcpcopyConfig } from './config.ts';

/** Opens the way that copies leave by: the kernel's, or with -o an interface. Throws `SystemError`. */
export async function openSender(
  { output }: TcpcopyConfig,
  log: Log,
  onTooLong: () => void,
): Promise<PacketSender> {
  if (output === undefined) return openRawSender({ onTooLong });
  return await openLinkSender({
    ...output,
    onTooLong,
    onChange: (text, isLoss) => {
      if (isLoss) log.warn(text);
      else log.info(text);
    },
  });
}
