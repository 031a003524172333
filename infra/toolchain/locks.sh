#!/bin/sh
# Writes requirements.lock (what runs) and requirements-dev.lock (what checks it too) anew: locks.sh PYTHON
#
# The second is made first and bounds the first, so that both name the same releases. The person's own pip
# settings are left aside: an index or a folder of wheels of one machine must not get into the files.
set -eu
cd "$(dirname "$0")/../.."
python=${1:?usage: locks.sh PYTHON}

compile() {
  env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="make locks" \
    "$python" -m piptools compile --quiet --strip-extras --allow-unsafe --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@" pyproject.toml
}

compile --extra dev --extra postgres --output-file requirements-dev.lock
compile --constraint requirements-dev.lock --output-file requirements.lock
# The constraint is named by its path in comments, which would differ from machine to machine.
sed -i 's|-c .*requirements-dev\.lock|-c requirements-dev.lock|' requirements.lock
