#!/bin/sh
# Installs npm packages into the cache, and prints the folder that contains node_modules: `node_packages.sh NAME` for the
# folder NAME next to this script, which contains package.json and package-lock.json. With `--find` it only prints the
# folder, and fails if they aren't installed.
#
# The cache is $EPH_CACHE or ~/.cache/eph, never the tree. The lock file pins every version by checksum and contains no
# registry: npm's own settings determine it. Concurrent runs wait for each other; an interrupted install is discarded,
# because the folder gets its name only when it is complete.
set -eu

name=${1:?usage: node_packages.sh NAME [--find]}
here=$(cd "$(dirname "$0")/$name" && pwd)
cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
sum=$(cksum < "$here/package-lock.json" | cut -d ' ' -f 1)
home=$cache/$name-$sum

if [ ! -d "$home/node_modules" ]; then
  [ "${2:-}" != --find ] || { echo "$name: not installed" >&2; exit 1; }
  command -v npm >/dev/null 2>&1 || { echo "$name needs Node 20 and npm; install Debian's packages nodejs and npm" >&2; exit 1; }
  mkdir -p "$cache"
  exec 9> "$cache/$name.lock"
  flock 9
  if [ ! -d "$home/node_modules" ]; then
    fresh=$cache/$name-$sum.new
    rm -rf "$fresh" "$home"
    mkdir "$fresh"
    cp "$here/package.json" "$here/package-lock.json" "$fresh/"
    (cd "$fresh" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2 9>&-)
    mv "$fresh" "$home"
  fi
fi
echo "$home"
