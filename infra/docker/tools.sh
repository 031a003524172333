#!/bin/sh
# The Pulumi CLI, the plugin of the target kubernetes, Helm and kustomize, at the versions of the lock, into one folder:
# tools.sh FOLDER
#
# A builder on a closed network lends what it has at /tools. They are tried before they are taken. Helm and kustomize
# have no download: where nobody lends them and there is no Go to build them with, the image is without them.
set -eu
folder=${1:?usage: tools.sh FOLDER}
cd /src
export EPH_CACHE=/tmp/cache PATH="/tools/pulumi:/tools/kubernetes:/tools/helm:/tools/kustomize:$PATH"
python=/opt/eph/bin/python3
PATH="$($python -m stacks.toolchain.pulumi_cli --path):$PATH"
PATH="$($python -m stacks.toolchain.plugins kubernetes):$PATH"
for name in pulumi pulumi-resource-kubernetes; do
  install -D -m 755 "$(command -v "$name")" "$folder/$name"
done
for name in helm kustomize; do
  if found=$($python -m stacks.toolchain.plugins "$name"); then
    install -m 755 "$found/$name" "$folder/$name"
  else
    echo "this image has no $name: manifests that need it will be rejected" >&2
  fi
done
rm -rf "$EPH_CACHE"
