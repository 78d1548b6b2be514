// Loaded into tcpcopy and intercept before they start (node --import), where a bench wants to know what they hold: on SIGWINCH,
// which means nothing to a program without a terminal, collects all garbage and adds a line to the file named by its process
// number in the folder LAB_WEIGH. See weigh.ts.
import { appendFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Weight } from './weigh.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGWINCH', () => {
  const before = process.memoryUsage.rss();
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const weight: Weight = { rss: before, heap: heapUsed, external };
  const file = `${process.env['LAB_WEIGH']}/${process.pid}`;
  appendFileSync(file, `${JSON.stringify(weight)}\n`);
});
