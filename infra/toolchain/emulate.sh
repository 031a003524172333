#!/bin/sh
# Installs the npm package emulate (an independent GitHub emulator) into the cache, and prints its command's path.
set -eu
home=$("$(dirname "$0")/node_packages.sh" emulate)
echo "$home/node_modules/.bin/emulate"
