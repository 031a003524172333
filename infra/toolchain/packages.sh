#!/bin/sh
# Installs Debian packages without starting their services: packages.sh WHO PACKAGE… ; WHO prefixes each output line.
#
# All scripts of this repository install packages this way. Works only as root on Debian and derivatives; otherwise, and
# with EPH_SYSTEM_PACKAGES=no, it prints what is missing and fails. An unavailable package doesn't block the others.
set -eu

who=$1
shift
say() { printf '%s: %s\n' "$who" "$*" >&2; }
[ "${EPH_SYSTEM_PACKAGES:-yes}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
  { say "missing packages: $*; install them"; exit 1; }

say "installing $*"
log=$(mktemp)
guard=/usr/sbin/policy-rc.d
own=
trap 'rm -f "$log"; [ -z "$own" ] || rm -f "$guard"' EXIT
if [ ! -e "$guard" ]; then # Debian's mechanism to keep packages from starting services
  own=yes
  printf '#!/bin/sh\nexit 101\n' >"$guard"
  chmod +x "$guard"
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; }

apt-get update -qq >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
case " $* " in
*" postgresql "*) # it would create a cluster, which would start at the next boot
  install postgresql-common && sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf || true ;;
esac
keep_stopped() { # a server that Eph starts itself must not start at the next boot, too
  case " $* " in *" redis-server "*) ! has_systemd || systemctl disable --quiet redis-server || true ;; esac
}
has_systemd() { command -v systemctl >/dev/null; }
install "$@" && keep_stopped "$@" && exit 0
failed=
for package in "$@"; do
  install "$package" || { failed=yes; say "can't install $package: $(tail -n 1 "$log")"; }
done
[ -z "$failed" ]
