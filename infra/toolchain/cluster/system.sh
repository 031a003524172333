#!/bin/sh
# Installs the system packages that the test cluster needs. Their services aren't started: the cluster starts its own,
# in its own namespaces.
set -eu

say() { printf 'cluster: %s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "a node needs root: run this as root, or set EPH_TEST_KUBECONFIG to use your own cluster"; exit 1; }

missing=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "$1" ] || missing="$missing $2"; }
need etcd etcd-server
need containerd containerd
need runc runc
need /usr/lib/cni/bridge containernetworking-plugins
need iptables iptables
need nft nftables
need docker-registry docker-registry
need openssl openssl
need ip iproute2
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
exec "$(dirname "$0")/../packages.sh" cluster $missing
