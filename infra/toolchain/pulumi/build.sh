#!/bin/sh
# Builds the Pulumi CLI from its Go module, at the version in this folder's go.mod: build.sh OUT_FILE
#
# For machines that can reach a Go proxy but not Pulumi's site. A cold build takes about 10 CPU minutes, a warm one (Go's
# build cache) about one minute; an interrupted one resumes. The caller passes a temporary OUT_FILE and renames it.
# -mod=readonly: go.mod and go.sum are authoritative; a wrong checksum fails the build.
# CGO_ENABLED=0: no C compiler is needed, and the binary runs on any Linux of the architecture.
# -v: prints each compiled package, for the caller's progress output.
set -eu

out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"

version=$(sed -n 's|^.*github.com/pulumi/pulumi/pkg/v3 v\([0-9][0-9.]*\).*$|\1|p' go.mod | head -n 1)
[ -n "$version" ] || { echo "go.mod doesn't contain github.com/pulumi/pulumi/pkg/v3" >&2; exit 1; }

CGO_ENABLED=0 GOFLAGS= GOWORK=off exec go build -v -mod=readonly -trimpath -buildvcs=false \
  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
  -o "$out" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
