#!/bin/sh
# Builds Pulumi's language host for YAML from its Go module, at the version in go.mod here: build.sh OUT_FILE
#
# About two CPU minutes and a download the first time. The caller gives a temporary OUT_FILE and renames it.
# -mod=readonly: go.mod and go.sum are authoritative; a wrong checksum fails the build.
set -eu

out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
version=$(sed -n 's|^require github.com/pulumi/pulumi-yaml v\([0-9.]*\).*$|\1|p' go.mod)
[ -n "$version" ] || { echo "go.mod doesn't contain github.com/pulumi/pulumi-yaml" >&2; exit 1; }

CGO_ENABLED=0 GOWORK=off GOFLAGS= exec go build -v -mod=readonly -trimpath -buildvcs=false \
  -ldflags "-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version=$version" \
  -o "$out" github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml
