#!/bin/sh
# The gate: everything a reviewer would ask for, in the order in which it fails fastest. Needs no privilege.
set -eu
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
echo '== format';       biome format .
echo '== types';        tsc -b && tsc -p tsconfig.test.json
echo '== lint';         oxlint --type-aware --deny-warnings
echo '== unused code';  knip
echo '== unit tests';   vitest run --project unit "$@"
