#!/bin/bash
# Stops the test cluster and removes everything it created: down.sh. Build results stay in the cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/names.sh"

if [ -s "$RUN/init" ]; then
  first=$(cat "$RUN/init")
  # The pid alone proves nothing: the process must be running in that exact folder.
  if [ "$(readlink "/proc/$first/cwd" 2>/dev/null)" = "$(readlink -f "$RUN")" ]; then
    kill -KILL "$first"
    for _ in $(seq 200); do [ -d "/proc/$first" ] || break; sleep 0.05; done
  fi
fi
ip link del "$LINK" 2>/dev/null || true # removes its address and routes, too
for _ in $(seq 100); do
  left=
  for group in /sys/fs/cgroup/"$NODE" /sys/fs/cgroup/*/"$NODE"; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    [ ! -d "$group" ] || left=$group
  done
  [ -n "$left" ] || break
  sleep 0.1
done
[ -z "${left:-}" ] || echo "cluster: $left still exists" >&2
if [ -s "$RUN/sysctl.before" ]; then
  read -ra before <"$RUN/sysctl.before" || true # no line ends it
  names=($KEPT)
  for index in "${!names[@]}"; do sysctl -qw "${names[$index]}=${before[$index]}"; done
fi
[ ! -s "$RUN/made" ] || xargs -r rmdir --ignore-fail-on-non-empty <"$RUN/made"
rm -rf "$RUN"
