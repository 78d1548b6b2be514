import { interceptShell } from './run-intercept.ts';
import { runProgram } from './run-program.ts';
import { outliveReaders } from './standard-streams.ts';

outliveReaders();
process.exit(await runProgram(interceptShell, process.argv.slice(2)));
