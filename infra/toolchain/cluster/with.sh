#!/bin/bash
# Runs a command with a real Kubernetes: with.sh COMMAND ...
#
# EPH_TEST_KUBECONFIG selects your own cluster. Otherwise this machine's test cluster is used: if it is already up, it
# stays up; if it is started for the command, it is stopped afterwards.
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
