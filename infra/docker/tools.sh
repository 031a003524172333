#!/bin/sh
# The Pulumi CLI and the plugin of the target kubernetes, at the versions of the lock, into one folder: tools.sh FOLDER
#
# A builder on a closed network lends what it has at /tools. They are tried before they are taken.
set -eu
folder=${1:?usage: tools.sh FOLDER}
cd /src
export EPH_CACHE=/tmp/cache PATH="/tools/pulumi:/tools/kubernetes:$PATH"
python=/opt/eph/bin/python3
PATH="$($python -m stacks.toolchain --path):$PATH"
PATH="$($python -m stacks.plugins kubernetes):$PATH"
for name in pulumi pulumi-resource-kubernetes; do
  install -D -m 755 "$(command -v "$name")" "$folder/$name"
done
rm -rf "$EPH_CACHE"
