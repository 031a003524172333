#!/bin/sh
# Regenerates requirements.lock (server and client), requirements-client.lock (client only) and requirements-dev.lock
# (with development tools): locks.sh PYTHON
#
# The last is generated first and constrains the others, so that all contain the same releases. The user's pip settings
# are ignored: an index or a wheel folder of one machine must not get into the files.
set -eu
cd "$(dirname "$0")/../.."
python=${1:?usage: locks.sh PYTHON}

compile() {
  env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="make locks" \
    "$python" -m piptools compile --quiet --strip-extras --allow-unsafe --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@" pyproject.toml
}

compile --extra server --extra dev --extra postgres --output-file requirements-dev.lock
compile --extra server --constraint requirements-dev.lock --output-file requirements.lock
compile --constraint requirements-dev.lock --output-file requirements-client.lock
# Comments contain the constraint's path, which would differ between machines.
sed -i 's|-c .*requirements-dev\.lock|-c requirements-dev.lock|' requirements.lock requirements-client.lock
