#!/bin/sh
# Builds what the test cluster consists of, from the Go modules named here: build.sh FOLDER fills FOLDER/bin.
#
# Kubernetes' own components, CoreDNS, and our small tools. Cold about 15 CPU minutes and 5 GB of Go's own caches, warm
# some 20 seconds; interrupted, it goes on from there. -N -l: no optimisation, 38 % less to compile, and nobody measures
# this cluster's speed. -v: a line for each package that is compiled, for the caller's progress.
set -eu

out=${1:?usage: build.sh FOLDER}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "no go on PATH (Go 1.26 or newer, or 1.24 and newer where it may fetch its successor)" >&2; exit 1; }
export CGO_ENABLED=0 GOWORK=off GOFLAGS="${EPH_GOFLAGS:-}"

version=$(sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\)$|\1|p' go.mod)
minor=${version#v1.}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
  flags="$flags -X $package.gitTreeState=clean -X $package.gitCommit=module -X $package.buildDate=1970-01-01T00:00:00Z"
done

build() { # FOLDER PACKAGE OUT LDFLAGS
  (cd "$1" && go build -v -mod=readonly -trimpath -buildvcs=false -gcflags='all=-N -l' -ldflags "$4" -o "$out/bin/$3" "$2")
}
mkdir -p "$out/bin"
build . ./node node "$flags"
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
  ln -sf node "$out/bin/$name"
done
build . ./tools tools "-s -w"
build coredns . coredns "-s -w"
