#!/bin/sh
# Creates .venv, this clone's Python environment, from requirements-dev.lock. Takes 0.1 s if it is up to date.
#
# The locked packages are installed once, into Eph's cache outside the tree, under a name derived from the lock and the
# interpreter, and never modified once complete. .venv is a copy with hard links, which takes a second and no disk
# space, with Eph itself as an editable install. An editable install in the shared copy would tie all clones to one of
# them, and PYTHONPATH would be lost where Eph starts a process with a clean environment.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD

say() { printf 'venv: %s\n' "$*" >&2; }

fit() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if [ -n "${PYTHON:-}" ]; then
  candidates=$PYTHON
else
  candidates="python3 python3.11 python3.12 python3.13"
fi
python=
for candidate in $candidates; do
  if fit "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || { say "Python 3.11 or newer is required, but none of these is: $candidates. Set PYTHON=... to choose one"; exit 1; }

cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
key=$({ cat requirements-dev.lock; "$python" -c 'import os, sys; print(sys.version, os.path.realpath(sys.executable))'; } |
  sha256sum | cut -c1-16)
deps=$cache/venv/$key
want="$here $key $(sha256sum <pyproject.toml | cut -c1-16)"
if [ -e "$deps/.whole" ] && [ "$(cat .venv/.whole 2>/dev/null)" = "$want" ]; then exit 0; fi

# One installation at a time; the lock is released when its process ends.
mkdir -p "$cache/venv"
exec 9>"$cache/venv/.lock"
flock -n 9 || { say "another process is creating it: waiting"; flock 9; }

if [ ! -e "$deps/.whole" ]; then
  say "installing $(grep -c '==' requirements-dev.lock) packages into $deps"
  rm -rf "$deps"
  "$python" -m venv "$deps"
  "$deps/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
  touch "$deps/.whole"
fi

[ "$(cat .venv/.whole 2>/dev/null)" = "$want" ] && exit 0
rm -rf .venv
cp -al "$deps" .venv 2>/dev/null || { rm -rf .venv; cp -a "$deps" .venv; } # hard links don't work across file systems
rm .venv/.whole
# sed -i writes a new file, so the original in the cache stays unchanged.
grep -lIFs "$deps" .venv/bin/* .venv/pyvenv.cfg | xargs sed -i "s|$deps|$here/.venv|g"
said=$(.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . 2>&1) ||
  { say "$said"; exit 1; }
printf '%s\n' "$want" >.venv/.whole
