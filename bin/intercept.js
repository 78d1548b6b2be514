#!/usr/bin/env node
// Before anything else is loaded, which takes a quarter of a second: from the first SIGHUP the program would die, and from SIGUSR1
// Node would open its debugger to every user of this host.
for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => undefined);
await import('../dist/cli/intercept.js');
