#!/bin/sh
# The system packages that the test cluster stands on. On Debian and its kin, as root, what is missing is installed;
# elsewhere it says what is missing. Nothing that comes with them is started: the cluster starts its own, in namespaces
# of its own. EPH_SYSTEM_PACKAGES=no: look and say, install nothing.
set -eu

say() { printf 'cluster: %s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "a node needs root: run it as root, or name a cluster of your own with EPH_TEST_KUBECONFIG"; exit 1; }

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
[ "${EPH_SYSTEM_PACKAGES:-yes}" != no ] && command -v apt-get >/dev/null || { say "missing:$missing; install them"; exit 1; }

say "installing$missing"
log=$(mktemp)
guard=/usr/sbin/policy-rc.d
own=
trap 'rm -f "$log"; [ -z "$own" ] || rm -f "$guard"' EXIT
if [ ! -e "$guard" ]; then # Debian's way to say that packages may not start services
  own=yes
  printf '#!/bin/sh\nexit 101\n' >"$guard"
  chmod +x "$guard"
fi
apt-get update -qq >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1 ||
  { say "apt-get install failed: $(tail -n 1 "$log")"; exit 1; }
