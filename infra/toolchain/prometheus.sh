#!/bin/sh
# Installs Debian's Prometheus, which tests of the metrics use, and prints the folder of its programs. Its service isn't
# started, because each test starts its own.
set -eu

has() { command -v prometheus >/dev/null && command -v promtool >/dev/null; }
has || "$(dirname "$0")/packages.sh" prometheus prometheus >&2
has && dirname "$(command -v prometheus)"
