import { interceptShell } from './run-intercept.ts';
import { runProgram } from './run-program.ts';

process.exit(await runProgram(interceptShell, process.argv.slice(2)));
