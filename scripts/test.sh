#!/bin/sh
# All tests: the gate (scripts/gate.sh), then the tests on real packets in the sandbox. Fails if
# anything fails, and also if anything is skipped: a test that does not run shows nothing.
# The last line is "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
reporters='--reporter=default --reporter=json'
status=0
# shellcheck disable=SC2086 # $reporters is two words
if ! sh scripts/gate.sh $reporters --outputFile.json="$results/unit.json"; then
  node scripts/count-tests.js 1 "$results/unit.json"
  exit 1
fi
echo '== lab tests'
# One file at a time: they share the processors, and the loads in them are paced.
# shellcheck disable=SC2086
sh scripts/sandbox.sh node_modules/.bin/vitest run --project lab --no-file-parallelism \
  $reporters --outputFile.json="$results/lab.json" || status=1
node scripts/count-tests.js "$status" "$results/unit.json" "$results/lab.json"
