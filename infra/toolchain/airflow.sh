#!/bin/sh
# Installs Apache Airflow, for the tests and the demo of data pipelines, and prints the path of its Python interpreter.
# `airflow.sh --find` only prints the path, and fails if Airflow isn't installed. `airflow.sh --lock` resolves
# airflow/requirements.lock from airflow/requirements.in.
#
# Airflow needs other releases of packages than Eph, so it has its own environment, in Eph's cache outside the tree,
# under a name derived from the lock and the interpreter. It is never modified once complete. Takes a minute the first
# time, and 0.1 s after that.
set -eu
cd "$(dirname "$0")/../.."
here=infra/toolchain/airflow

say() { printf 'airflow: %s\n' "$*" >&2; }

python=${PYTHON:-python3}
if [ "${1:-}" = --lock ]; then
  # The user's pip settings are ignored: an index or a wheel folder of one machine must not get into the file.
  exec env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="infra/toolchain/airflow.sh --lock" \
    .venv/bin/python -m piptools compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    --output-file "$here/requirements.lock" "$here/requirements.in"
fi

cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
key=$({ cat "$here/requirements.lock"; "$python" -c 'import os, sys; print(sys.version, os.path.realpath(sys.executable))'; } |
  sha256sum | cut -c1-16)
target=$cache/airflow/$key

if [ "${1:-}" = --find ] && [ ! -e "$target/.whole" ]; then
  say "not installed"
  exit 1
fi

# One installation at a time; the lock is released when its process ends.
mkdir -p "$cache/airflow"
exec 9>"$cache/airflow/.lock"
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
