// Adds up vitest's JSON reports. Use: node count-tests.js STATUS REPORT...
// STATUS is 0 when every run before went well. Prints "N passed, N failed" as the last line.
import { readFileSync } from 'node:fs';

const [status, ...files] = process.argv.slice(2);
let passed = 0;
let failed = 0;
const say = (line) => process.stderr.write(`${line}\n`);

for (const file of files) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    say(`no report ${file}: that run did not come to its end`);
    failed += 1;
    continue;
  }
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  for (const suite of report.testResults) {
    const rest = suite.assertionResults.filter(
      (t) => t.status !== 'passed' && t.status !== 'failed',
    );
    for (const test of rest) say(`not run (${test.status}): ${suite.name}: ${test.fullName}`);
    failed += rest.length;
    // A file that fails outside of its tests (an import, a hook) has no failed test of its own.
    const own = suite.assertionResults.some((t) => t.status === 'failed');
    if ((suite.status === 'failed' && !own) || suite.assertionResults.length === 0) {
      say(`failed outside of a test, or holds none: ${suite.name}`);
      failed += 1;
    }
  }
}
if (passed === 0) {
  say('no test passed');
  failed += 1;
}
if (status !== '0' && failed === 0) {
  say('a step before or beside the tests failed, see above');
  failed = 1;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
