#!/bin/sh
# Installs the registry that tests use, Debian's docker-registry, and prints its path. Its service isn't started,
# because each test starts its own.
set -eu

command -v docker-registry && exit 0
"$(dirname "$0")/packages.sh" registry docker-registry
command -v docker-registry
