#!/bin/sh
# Installs the Pulumi CLI, the plugin for the target kubernetes, Helm and kustomize, at the locked versions, into one
# folder: tools.sh FOLDER
#
# A builder on a closed network provides them in /tools; each is tested before it is used. Helm and kustomize can't be
# downloaded: if they aren't provided and there is no Go to build them, the image doesn't contain them.
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
    echo "this image doesn't contain $name: manifests that need it will be rejected" >&2
  fi
done
rm -rf "$EPH_CACHE"
