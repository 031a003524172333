#!/bin/sh
# The registry that tests push images to and look for them in: Debian's docker-registry. Prints where it is.
#
# On Debian and its kin, as root, it is installed when it is missing; its own service is not started, for the tests
# start one each. Elsewhere it says what is missing. EPH_SYSTEM_PACKAGES=no: look and say, install nothing.
set -eu

found() { command -v docker-registry; }
found && exit 0
say() { printf 'registry: %s\n' "$*" >&2; }
[ "${EPH_SYSTEM_PACKAGES:-yes}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
  { say "docker-registry is missing; install it"; exit 1; }

say "installing docker-registry"
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
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-registry >"$log" 2>&1 ||
  { say "it could not be installed: $(tail -n 1 "$log")"; exit 1; }
found
