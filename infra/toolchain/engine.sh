#!/bin/sh
# Installs Docker's engine and client, Debian's docker.io, for the tests and the demo of the target `compose`. Its service
# isn't started, because each test starts its own. Without it these tests are skipped.
set -eu

command -v dockerd >/dev/null && command -v docker >/dev/null && exit 0
"$(dirname "$0")/packages.sh" engine docker.io ||
  echo "engine: without docker.io, the tests that run containers are skipped" >&2
