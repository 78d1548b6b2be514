#!/bin/sh
# The gate: everything a reviewer would ask for, in the order in which it fails fastest. Needs no privilege.
set -eu
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
step=
trap 'status=$?; [ "$status" -eq 0 ] || echo "the gate failed at: $step" >&2; exit "$status"' EXIT
begin() {
  step=$1
  echo "== $step"
}
begin format
biome format .
begin types
tsc -b
tsc -p tsconfig.test.json
begin lint
oxlint --type-aware --deny-warnings
begin 'unused code'
knip
begin 'unit tests'
vitest run --project unit "$@"
