#!/bin/sh
# Installs Ruby, Bundler and the gems of a Rails application, for the test of its recipe.
#
# If they can't be installed, the test skips.
set -eu

missing=
command -v ruby >/dev/null 2>&1 || missing="$missing ruby"
command -v bundle >/dev/null 2>&1 || missing="$missing bundler"
for gem in rails pg puma; do
  ruby -e "gem '$gem'" >/dev/null 2>&1 && continue
  case $gem in puma) missing="$missing puma" ;; *) missing="$missing ruby-$gem" ;; esac
done
[ -z "$missing" ] || "$(dirname "$0")/packages.sh" rails $missing || true
