#!/bin/sh
# Installs Chromium, if no browser is there, for the tests that open an environment in one. Without it they are skipped.
set -eu

for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
"$(dirname "$0")/packages.sh" browser chromium ||
  echo "browser: without Chromium, the tests that open an environment in a browser are skipped" >&2
