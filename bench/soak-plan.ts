import type { LoadPart } from '../lab/load-plan.ts';

/** Seconds between bursts. */
export const BURST_EVERY = 30;
/** Octets of an upload, and of a large response. */
const UPLOAD = 200 * 1024;
const LARGE = 1 << 20;
/** Paths of requests whose client resets: they may be cut anywhere, on either side. */
export const RESET_NAME = 'r';

/** What goes on all the time, for so many seconds. */
export function steadyLoad(seconds: number): LoadPart[] {
  const parts: LoadPart[] = [
    { name: 'k', kind: 'keep-alive', rate: 100, requests: 0, connections: 32 },
    { name: 'n', kind: 'new', rate: 40, requests: 0, connections: 200 },
    { name: 'u', kind: 'keep-alive', rate: 1, requests: 0, connections: 4, body: UPLOAD },
    { name: 'l', kind: 'keep-alive', rate: 0.5, requests: 0, connections: 4, response: LARGE },
    {
      name: RESET_NAME,
      kind: 'new',
      rate: 5,
      requests: 0,
      connections: 100,
      response: 100_000,
      resetWithin: 20,
    },
  ];
  return parts.map((part) => ({ ...part, requests: Math.ceil(part.rate * seconds) }));
}

/** Connections all at once, a request on each. */
export const burst = (number: number): LoadPart => ({
  name: `b${number}`,
  kind: 'new',
  rate: 0,
  requests: 200,
  connections: 200,
});
