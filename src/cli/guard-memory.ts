import { releaseMemory, residentMemory } from '../linux/release-memory.ts';
import { systemClock } from '../linux/reactor.ts';
import type { Log } from '../ports/log.ts';
import type { Replayer } from '../replay/replayer.ts';
import type { Copier } from '../runtime/copier.ts';
import { GUARD_INTERVAL, MemoryGuard } from '../runtime/memory-guard.ts';
import { Verdict } from '../session/verdict.ts';

/** Keeps the process within `limit` octets, from now until the function that is returned is called. */
export function guardMemory(
  replayer: Replayer,
  copier: Copier,
  limit: number,
  log: Log,
): () => void {
  const guard = new MemoryGuard(
    {
      resident: residentMemory,
      relieve: () => {
        replayer.context.pool.trim();
        releaseMemory();
      },
      noteMemory: (isShort) => replayer.noteMemory(isShort),
      shed: (octets) => {
        let count = 0;
        copier.command((_, now) => {
          count = replayer.shed(now, octets);
        });
        // They need memory too, as long as they linger.
        copier.command((_, now) => replayer.forgetShed(now));
        return count;
      },
      refused: () => replayer.ledger.refused[Verdict.overMemory] as number,
    },
    limit,
  );
  const looking = setInterval(() => {
    const text = guard.look(systemClock.now());
    if (text === undefined) return;
    if (guard.isShort) log.warn(text);
    else log.info(text);
  }, GUARD_INTERVAL / 1000);
  return () => clearInterval(looking);
}
