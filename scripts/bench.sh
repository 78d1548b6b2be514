#!/bin/sh
# The bench: setup, then paced loads in the lab. See bench/run.ts for what is measured.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench
exec sh scripts/sandbox.sh node dist/bench/run.js "$@"
