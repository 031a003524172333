#!/bin/sh
# Installs the servers that environments on the target local run for themselves: Redis and MariaDB.
#
# If one can't be installed, the tests that need it skip, and eph.yaml files that ask for it are rejected.
set -eu

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

missing=
has redis-server || missing="$missing redis-server"
has mariadbd || missing="$missing mariadb-server-core"
has mariadb || missing="$missing mariadb-client-core"
[ -z "$missing" ] || "$(dirname "$0")/packages.sh" databases $missing || true
