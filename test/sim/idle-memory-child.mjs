// Weighs idle copies, on the built code in a process of its own, and looks at what they do. Arguments: copies, and octets to be
// wasted on purpose for each (0: none). Prints octets for each copy above the same process before the first.
import { setTimeout as pause } from 'node:timers/promises';
import { ManyCopies } from '../../dist/testing/many-copies.js';

const [copies, waste] = process.argv.slice(2).map(Number);
const REQUESTS = 2;
const NEW_A_SECOND = 1000;
const NEW = 10_000;
const LOSSY = 10_000;

const weigh = async () => {
  globalThis.gc();
  globalThis.gc();
  await pause(200); // Pages are given back a moment later.
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
};

const many = new ManyCopies();
const before = await weigh();
many.open(0, copies, REQUESTS);
const wasted = Array.from({ length: waste > 0 ? copies : 0 }, () => new Array(waste / 8).fill(0));
const after = await weigh();
const each = (what) => (after[what] - before[what]) / copies;

many.askWithLoss(0, LOSSY, REQUESTS);
const afterLoss = await weigh();
const held = (weight) => weight.heapUsed + weight.external;
const loss = {
  retransmitted: many.replayer.context.counters.retransmitted,
  octets: (held(afterLoss) - held(after)) / LOSSY,
};

many.advance(1e6); // What was under way is over.
const [sentBefore, wakeUpsBefore] = [many.sent, many.wakeUps];
many.advance(600e6);
const idle = { sent: many.sent - sentBefore, wakeUps: many.wakeUps - wakeUpsBefore };

many.churn(copies, NEW, NEW_A_SECOND);
const beside = {
  begun: NEW,
  completed: many.completed,
  requests: many.requests - copies * REQUESTS - LOSSY,
  ended: many.ended,
};
console.log(
  JSON.stringify({
    rss: each('rss'),
    heap: each('heapUsed'),
    external: each('external'),
    requests: many.requests,
    idle,
    beside,
    loss,
    wasted: wasted.length,
  }),
);
