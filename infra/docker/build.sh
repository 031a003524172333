#!/bin/bash
# Builds the image of the Dockerfile without a daemon: build.sh [ARCHIVE | docker://REGISTRY/NAME:TAG]
#
# Uses buildah with its store in Eph's cache, so that only what changed is rebuilt. The result is localhost/eph:VERSION
# in that store, and optionally also ARCHIVE (for docker load or ctr images import) or an image in the registry.
# EPH_IMAGE_CREDENTIALS: user:password for the registry. EPH_IMAGE_PLAIN_HTTP=yes: the registry has no TLS.
# EPH_IMAGE_BASE: the base image. Empty: a Debian 12 that is built once from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
cache=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}
store=$cache/image
say() { printf 'image: %s\n' "$*" >&2; }

missing=()
command -v buildah >/dev/null || missing+=(buildah)
[ -n "${EPH_IMAGE_BASE:-}" ] || command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
if ((${#missing[@]} > 0)) && ! infra/toolchain/packages.sh image "${missing[@]}"; then
  say "or build with docker"
  exit 1
fi

mkdir -p "$store"
exec 9>"$store/.lock"
flock -n 9 || { say "another build is running: waiting"; flock 9; }
buildah() { command buildah --root "$store/storage" --runroot "$store/run" --storage-driver "${EPH_IMAGE_DRIVER:-overlay}" "$@"; }

base=${EPH_IMAGE_BASE:-localhost/eph-base:12}
if [ -z "${EPH_IMAGE_BASE:-}" ] && ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  say "building a Debian 12 base image"
  rm -f "$store/base.tar"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='force-unsafe-io' bookworm "$store/base.tar" >&2
  made=$(buildah from scratch)
  buildah add --quiet "$made" "$store/base.tar" / >&2
  buildah commit --quiet --rm "$made" "$base" >&2
  rm -f "$store/base.tar"
fi

# This machine's tools are provided, so that they are neither downloaded nor built twice, and so are its certificates
# and pip settings, for networks that have their own. They are mounted during a step and aren't part of the image.
pulumi=$("$python" -c 'import sys; from stacks.toolchain import pulumi_cli; print(pulumi_cli.ensure(lambda line: print(line, file=sys.stderr)).pulumi.parent)')
plugin=$("$python" -m stacks.toolchain.plugins kubernetes)
helm=$("$python" -m stacks.toolchain.plugins helm)
kustomize=$("$python" -m stacks.toolchain.plugins kustomize)
lent=(-v "$pulumi:/tools/pulumi:ro" -v "$plugin:/tools/kubernetes:ro" -v "$helm:/tools/helm:ro" -v "$kustomize:/tools/kustomize:ro")
for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
  [ ! -f "$file" ] || lent+=(-v "$file:$file:ro")
done
version=$("$python" -c 'from importlib.metadata import version; print(version("eph"))')
buildah rm --all >/dev/null 2>&1 || true # left by a killed build: we hold the lock
say "building localhost/eph:$version"
buildah build --quiet --layers --isolation chroot --format docker --network host --pull-never "${lent[@]}" \
  --build-arg "BASE=$base" --ignorefile infra/docker/Dockerfile.dockerignore -f infra/docker/Dockerfile \
  -t "localhost/eph:$version" . >&2
case ${1:-} in
"") ;;
docker://*)
  how=(--compression-format gzip --compression-level 1) # fast rather than small
  [ -z "${EPH_IMAGE_CREDENTIALS:-}" ] || how+=(--creds "$EPH_IMAGE_CREDENTIALS")
  [ -z "${EPH_IMAGE_PLAIN_HTTP:-}" ] || how+=(--tls-verify=false)
  buildah push --quiet "${how[@]}" "localhost/eph:$version" "$1" >&2
  ;;
*)
  rm -f "$1"
  buildah push --quiet "localhost/eph:$version" "docker-archive:$1:eph:$version" >&2
  ;;
esac
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' "localhost/eph:$version"
