import { tcpcopyShell } from './run-tcpcopy.ts';
import { runProgram } from './run-program.ts';

process.exit(await runProgram(tcpcopyShell, process.argv.slice(2)));
