import { tcpcopyShell } from './run-tcpcopy.ts';
import { runProgram } from './run-program.ts';
import { outliveReaders } from './standard-streams.ts';

outliveReaders();
process.exit(await runProgram(tcpcopyShell, process.argv.slice(2)));
