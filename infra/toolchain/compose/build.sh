#!/bin/sh
# Builds Docker Compose from its Go module, at the version that go.mod here names: build.sh OUT_FILE
#
# Cold 1 to 3 CPU minutes and a download. The caller gives a temporary OUT_FILE and renames it.
# -mod=readonly: go.mod and go.sum are the truth; a checksum that differs ends the build.
set -eu

out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
version=$(sed -n 's|^require github.com/docker/compose/v5 \(v[0-9.]*\)$|\1|p' go.mod)
[ -n "$version" ] || { echo "go.mod names no github.com/docker/compose/v5" >&2; exit 1; }

CGO_ENABLED=0 GOWORK=off GOFLAGS="${EPH_GOFLAGS:-}" exec go build -v -mod=readonly -trimpath -buildvcs=false \
  -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$version" \
  -o "$out" github.com/docker/compose/v5/cmd
