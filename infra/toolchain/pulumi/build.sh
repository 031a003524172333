#!/bin/sh
# Builds the Pulumi CLI from its Go module, at the version that go.mod here names: build.sh OUT_FILE
#
# For machines that reach a Go proxy but not Pulumi's own site. Cold about 10 CPU minutes, warm (Go's build cache)
# about one minute; interrupted, it goes on from there. The caller gives a temporary OUT_FILE and renames it.
# -mod=readonly: go.mod and go.sum are the truth; a checksum that differs ends the build.
# CGO_ENABLED=0: no C compiler is needed, and the binary runs on any Linux of the architecture.
# -v: one line for each package that is compiled, for the caller's progress.
set -eu

out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"

version=$(sed -n 's|^.*github.com/pulumi/pulumi/pkg/v3 v\([0-9][0-9.]*\).*$|\1|p' go.mod | head -n 1)
[ -n "$version" ] || { echo "go.mod names no github.com/pulumi/pulumi/pkg/v3" >&2; exit 1; }

CGO_ENABLED=0 GOFLAGS= GOWORK=off exec go build -v -mod=readonly -trimpath -buildvcs=false \
  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
  -o "$out" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
