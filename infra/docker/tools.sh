#!/bin/sh
# The Pulumi CLI, the plugin of the target kubernetes and Helm, at the versions of the lock, into one folder: tools.sh
# FOLDER
#
# A builder on a closed network provides them in /tools; each is tested before it is used. Helm can't be downloaded: if
# it isn't provided and there is no Go to build it, the image doesn't contain it.
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
  echo "this image doesn't contain helm: repositories' charts will be rejected" >&2
fi
rm -rf "$EPH_CACHE"
