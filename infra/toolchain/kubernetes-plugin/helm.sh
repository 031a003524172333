#!/bin/sh
# Builds Helm from its Go module, at the version that Pulumi's Kubernetes plugin renders charts with: helm.sh OUT_FILE
#
# Uses the plugin's go.mod and flags, so packages compiled for the plugin aren't compiled again: it takes seconds after
# that build, and 5 CPU minutes without it. The caller passes a temporary OUT_FILE and renames it.
set -eu

out=${1:?usage: helm.sh OUT_FILE}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
version=$(sed -n 's|^\thelm.sh/helm/v3 \(v[0-9.]*\).*$|\1|p' go.mod)
[ -n "$version" ] || { echo "go.mod doesn't contain helm.sh/helm/v3" >&2; exit 1; }
lib=k8s.io/client-go # charts can query the cluster's version; without a cluster it is this library's
minor=$(sed -n "s|^\t$lib v0\.\([0-9]*\)\..*\$|\1|p" go.mod)

CGO_ENABLED=0 GOWORK=off GOFLAGS="${EPH_GOFLAGS:-}" exec go build -v -mod=readonly -trimpath -buildvcs=false \
  -gcflags='all=-N -l' -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$version \
  -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$minor \
  -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor" \
  -o "$out" helm.sh/helm/v3/cmd/helm
