#!/bin/sh
# Builds Pulumi's Kubernetes plugin from its Go module, at the version named below: build.sh OUT_FILE
#
# For machines that can reach a Go proxy but not Pulumi's site. A cold build takes about 15 CPU minutes and 4 GB of Go
# caches; an interrupted one resumes. The caller passes a temporary OUT_FILE and renames it.
# Module proxies don't serve the release's tag as a version, so go.mod refers to its commit by a pseudo-version.
# -N -l: no optimization, to share compiled packages with the test cluster; a plugin mostly waits.
set -eu

version=4.25.0
out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOWORK=off GOFLAGS="${EPH_GOFLAGS:-}"

# A copy, because two files have to be next to main.go, and the tree must not be modified.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cp go.mod go.sum main.go "$work"
go mod download github.com/pulumi/pulumi-kubernetes/provider/v4
module=$(go list -mod=readonly -m -f '{{.Dir}}' github.com/pulumi/pulumi-kubernetes/provider/v4)
"${PYTHON:-python3}" - "$module/cmd/pulumi-resource-kubernetes" "$work" "$version" <<'PY'
import json, pathlib, sys

source, work, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
for name, more in (("schema", {"version": version}), ("terraform-mapping", {})):
    data = json.loads((source / f"{name}.json").read_text()) | more
    (work / f"{name}-embed.json").write_text(json.dumps(data, separators=(",", ":")))
PY
cd "$work"
go build -v -mod=readonly -trimpath -buildvcs=false -gcflags='all=-N -l' \
  -ldflags "-s -w -X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=$version" -o "$out" .
