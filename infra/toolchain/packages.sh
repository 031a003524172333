#!/bin/sh
# Installs Debian packages and starts nothing that comes with them: packages.sh WHO PACKAGE… ; WHO begins each line said.
#
# The one way in which the scripts of this repository install. As root on Debian and its kin only; else, and with
# EPH_SYSTEM_PACKAGES=no, it says what is missing and fails. One that cannot be had does not keep the others away.
set -eu

who=$1
shift
say() { printf '%s: %s\n' "$who" "$*" >&2; }
[ "${EPH_SYSTEM_PACKAGES:-yes}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
  { say "missing: $*; install what is named"; exit 1; }

say "installing $*"
log=$(mktemp)
guard=/usr/sbin/policy-rc.d
own=
trap 'rm -f "$log"; [ -z "$own" ] || rm -f "$guard"' EXIT
if [ ! -e "$guard" ]; then # Debian's way to say that packages may not start services
  own=yes
  printf '#!/bin/sh\nexit 101\n' >"$guard"
  chmod +x "$guard"
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; }

apt-get update -qq >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
case " $* " in
*" postgresql "*) # it would make a cluster of its own, which the next start of the machine would run
  install postgresql-common && sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf || true ;;
esac
install "$@" && exit 0
failed=
for package in "$@"; do
  install "$package" || { failed=yes; say "$package could not be installed: $(tail -n 1 "$log")"; }
done
[ -z "$failed" ]
