#!/bin/sh
# The registry that tests push images to and look for them in: Debian's docker-registry. Prints where it is. Its own
# service is not started, for the tests start one each.
set -eu

command -v docker-registry && exit 0
"$(dirname "$0")/packages.sh" registry docker-registry
command -v docker-registry
