#!/bin/sh
# The Pulumi CLI, the plugin of the target kubernetes and Helm, at the versions of the lock, into one folder: tools.sh
# FOLDER
#
# A builder on a closed network lends what it has at /tools. They are tried before they are taken. Helm is the one of
# them that has no download: where nobody lends it and there is no Go to build it with, the image is without it.
set -eu
folder=${1:?usage: tools.sh FOLDER}
cd /src
export EPH_CACHE=/tmp/cache PATH="/tools/pulumi:/tools/kubernetes:/tools/helm:$PATH"
python=/opt/eph/bin/python3
PATH="$($python -m stacks.toolchain.pulumi_cli --path):$PATH"
PATH="$($python -m stacks.toolchain.plugins kubernetes):$PATH"
for name in pulumi pulumi-resource-kubernetes; do
  install -D -m 755 "$(command -v "$name")" "$folder/$name"
done
if helm=$($python -m stacks.toolchain.plugins helm); then
  install -m 755 "$helm/helm" "$folder/helm"
else
  echo "this image has no helm: repositories' charts will be refused" >&2
fi
rm -rf "$EPH_CACHE"
