#!/bin/bash
# Runs a command beside a real Kubernetes: with.sh COMMAND ...
#
# EPH_TEST_KUBECONFIG names a cluster of the caller's own. Otherwise the test cluster of this machine is used: one that
# is up already stays up, one that is started for the command ends with it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

[ -z "${EPH_TEST_KUBECONFIG:-}" ] || exec "$@"
. "$here/names.sh"
if ! { [ -e "$RUN/ready" ] && [ -d "/proc/$(cat "$RUN/init")" ]; }; then
  trap '"$here/down.sh"' EXIT
fi
said=$("$here/up.sh")
eval "$said"
EPH_TEST_KUBECONFIG=$KUBECONFIG "$@"
