#!/bin/sh
# Installs the npm package emulate (an independent GitHub emulator) into the cache, and prints its command's path.
#
# The cache is $EPH_CACHE or ~/.cache/eph, never the tree. The lock file pins every version by checksum and contains no
# registry: npm's own settings determine it. Concurrent runs wait for each other; an interrupted install is discarded,
# because the folder gets its name only when it is complete.
set -eu

here=$(cd "$(dirname "$0")/emulate" && pwd)
cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
sum=$(cksum < "$here/package-lock.json" | cut -d ' ' -f 1)
home=$cache/emulate-$sum
command=$home/node_modules/.bin/emulate

if [ ! -x "$command" ]; then
  command -v npm >/dev/null 2>&1 || { echo "emulate needs Node 20 and npm; install Debian's packages nodejs and npm" >&2; exit 1; }
  mkdir -p "$cache"
  exec 9> "$cache/emulate.lock"
  flock 9
  if [ ! -x "$command" ]; then
    fresh=$cache/emulate-$sum.new
    rm -rf "$fresh" "$home"
    mkdir "$fresh"
    cp "$here/package.json" "$here/package-lock.json" "$fresh/"
    (cd "$fresh" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2 9>&-)
    mv "$fresh" "$home"
  fi
fi
echo "$command"
