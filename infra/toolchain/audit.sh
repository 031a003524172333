#!/bin/sh
# Fails if a locked package has a known vulnerability: audit.sh PYTHON [LOCK]
#
# Asks the vulnerability database OSV with pip-audit. Where OSV can't be reached, or doesn't respond in time, one line
# says so and nothing fails: work must go on without a network. EPH_AUDIT_URL: the address of another OSV server.
set -eu
cd "$(dirname "$0")/../.."
python=${1:?usage: audit.sh PYTHON [LOCK]}
lock=${2:-requirements.lock}
url=${EPH_AUDIT_URL:-https://api.osv.dev/v1/query}
seconds=120

if ! "$python" - "$url" 2>/dev/null <<'PROBE'; then
import sys

import httpx

package = {"name": "pip", "ecosystem": "PyPI"}
httpx.post(sys.argv[1], json={"package": package, "version": "999"}, timeout=3).raise_for_status()
PROBE
  echo "audit: skipped, because the vulnerability database can't be reached: $url" >&2
  exit 0
fi
code=0
timeout "$seconds" "$python" -m pip_audit --requirement "$lock" --no-deps --disable-pip --vulnerability-service osv \
  --osv-url "$url" --progress-spinner off || code=$?
[ "$code" != 124 ] || { echo "audit: not finished within $seconds s: $url" >&2; exit 0; }
exit "$code"
