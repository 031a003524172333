#!/bin/sh
# Installs a Python program that needs other releases of packages than Eph, and prints the path of its interpreter:
# `python_tool.sh NAME` for the folder NAME next to this script, which contains requirements.in and requirements.lock.
# With `--find` it only prints the path, and fails if the program isn't installed. `--lock` resolves the lock.
#
# The program has its own environment in Eph's cache outside the tree, under a name derived from the lock and the
# interpreter. It is never modified once complete.
set -eu
cd "$(dirname "$0")/../.."
name=${1:?usage: python_tool.sh NAME [--find | --lock]}
here=infra/toolchain/$name

say() { printf '%s: %s\n' "$name" "$*" >&2; }

python=${PYTHON:-python3}
if [ "${2:-}" = --lock ]; then
  # The user's pip settings are ignored: an index or a wheel folder of one machine must not get into the file.
  exec env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="infra/toolchain/$name.sh --lock" \
    .venv/bin/python -m piptools compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    --output-file "$here/requirements.lock" "$here/requirements.in"
fi

cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
key=$({ cat "$here/requirements.lock"; "$python" -c 'import os, sys; print(sys.version, os.path.realpath(sys.executable))'; } |
  sha256sum | cut -c1-16)
target=$cache/$name/$key

if [ "${2:-}" = --find ] && [ ! -e "$target/.whole" ]; then
  say "not installed"
  exit 1
fi

# One installation at a time; the lock is released when its process ends.
mkdir -p "$cache/$name"
exec 9>"$cache/$name/.lock"
flock -n 9 || { say "another process is installing it: waiting"; flock 9; }

if [ ! -e "$target/.whole" ]; then
  say "installing $(grep -c '==' "$here/requirements.lock") packages into $target"
  rm -rf "$target"
  "$python" -m venv "$target"
  "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    -r "$here/requirements.lock"
  touch "$target/.whole"
fi
printf '%s\n' "$target/bin/python"
