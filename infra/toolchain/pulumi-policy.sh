#!/bin/sh
# Installs Pulumi's policy SDK, for the tests of policy packs, and prints the path of its Python interpreter: that of the
# packs' own virtual environment, because the SDK needs other releases of packages than Eph. `pulumi-policy.sh --find`
# only prints the path, and fails if it isn't installed. `pulumi-policy.sh --lock` resolves pulumi-policy/requirements.lock.
exec "$(dirname "$0")/python_tool.sh" pulumi-policy "$@"
