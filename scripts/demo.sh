#!/bin/sh
# The demo: setup, then copy live traffic between hosts made of network namespaces. See lab/README.md.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh demo
exec sh scripts/sandbox.sh node dist/lab/demo.js "$@"
