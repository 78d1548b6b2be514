// Runs the steady state on the built code in a process of its own, where nothing else allocates, and tells what the garbage
// collector did meanwhile. Arguments: packets, and octets of garbage to be made on purpose for each (0: none).
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { SteadyState } from '../../dist/testing/steady-state.js';

const [packets, waste] = process.argv.slice(2).map(Number);
const CONNECTIONS = 32;
const ROUNDS = Math.ceil(packets / (2 * CONNECTIONS));

let sink = null;
const run = (state, rounds) => {
  let handed = 0;
  if (waste === 0) return state.run(rounds);
  for (let i = 0; i < rounds; i++) {
    handed += state.run(1);
    for (let k = 0; k < 2 * CONNECTIONS; k++) sink = new Array(waste / 8).fill(k);
  }
  return handed;
};

const state = await SteadyState.open(CONNECTIONS);
run(state, 10_000); // Until all of it is compiled.
globalThis.gc();
globalThis.gc();
await pause(200);

const collections = [];
new PerformanceObserver((list) => collections.push(...list.getEntries())).observe({
  entryTypes: ['gc'],
});
const before = process.memoryUsage().heapUsed;
const sent = state.sent;
const start = performance.now();
const handed = run(state, ROUNDS);
const end = performance.now();
const heapGrowth = process.memoryUsage().heapUsed - before;
await pause(200);
const during = collections.filter((entry) => entry.startTime >= start && entry.startTime < end);
console.log(
  JSON.stringify({
    handed,
    sent: state.sent - sent,
    collections: during.length,
    heapGrowth,
    milliseconds: end - start,
    wasted: sink?.length ?? 0,
  }),
);
