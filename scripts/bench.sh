#!/bin/sh
# Setup, then a program of bench/ in the lab: run (paced loads), idle (very many idle connections), soak (mixed load with faults).
set -eu
cd "$(dirname "$0")/.."
program=$1
shift
sh scripts/setup.sh bench
exec sh scripts/sandbox.sh node "dist/bench/$program.js" "$@"
