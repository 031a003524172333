#!/bin/sh
# Builds Pulumi's Kubernetes plugin from its Go module, at the version named below: build.sh OUT_FILE
#
# For machines that reach a Go proxy but not Pulumi's own site. Cold about 15 CPU minutes and 4 GB of Go's own caches;
# interrupted, it goes on from there. The caller gives a temporary OUT_FILE and renames it.
# The release's tag is not a version that module proxies serve, so go.mod names its commit by a pseudo-version.
# -N -l: no optimisation, as for the test cluster, with which it shares compiled packages; a plugin mostly waits.
set -eu

version=4.25.0
out=${1:?usage: build.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOWORK=off GOFLAGS="${EPH_GOFLAGS:-}"

# A copy, because two files have to lie beside main.go, and the tree is not written to.
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
