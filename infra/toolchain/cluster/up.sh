#!/bin/bash
# Starts a real single-node Kubernetes on this machine, as plain processes: up.sh. Undone by down.sh.
#
# It runs in one set of namespaces (network, mounts, processes) whose first process is node.sh. Killing that process
# removes everything: containers, mounts, firewall rules. Outside there are only a network link, two routes, a folder
# and a cgroup. The machine reaches pods and services through the routes.
#
# Missing parts are built first, once, into Eph's cache (system.sh, build.sh, images.py). Does nothing if it is already
# up. Prints the locations of the kubeconfig and the registry as shell commands.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/names.sh"
export here CACHE RUN NODE HOST_ADDRESS ADDRESS PODS SERVICES DNS METADATA REGISTRY

say() { printf 'cluster: %s\n' "$*" >&2; }
tell() { # for eval, and for tests
  printf 'export %s\n' "KUBECONFIG=$RUN/pki/admin.kubeconfig" "EPH_TEST_INGRESS=http://$INGRESS" \
    "EPH_TEST_REGISTRY=$REGISTRY" "EPH_TEST_REGISTRY_AUTH=$RUN/registry/auth" "EPH_TEST_TOOLS=$BIN" \
    "EPH_TEST_APISERVER=$(pgrep -o -f "^$BIN/kube-apiserver ")" \
    "EPH_TEST_KUBELET=$(pgrep -o -f "^$BIN/kubelet ")" "PATH=$BIN:\$PATH"
}

"$here/system.sh"
mkdir -p "$CACHE"
exec 9>"$CACHE/.lock" # one build or start at a time; released when the process ends
flock -n 9 || { say "another process is building or starting it: waiting"; flock 9; }

cd "$here"
digest() { cat "$@" | sha256sum | cut -c1-16; }
built=$CACHE/$(digest go.mod go.sum build.sh coredns/go.* coredns/*.go node/*.go tools/*.go)
project=$here/../../..
export BIN=$built/bin IMAGES=$built/images-$(digest images.py "$project"/orchestrator/demo/cluster/oci.py)
if [ ! -e "$built/.whole" ]; then
  say "building Kubernetes from its Go modules; 8 to 15 minutes the first time on two cores"
  rm -rf "$CACHE"/.new-* # left by a killed build: we hold the lock
  mkdir -p "$CACHE/.new-$$"
  "$here/build.sh" "$CACHE/.new-$$" >"$CACHE/build.log" 2>&1 9>&- ||
    { tail -n 5 "$CACHE/build.log" >&2; say "the build failed; full output: $CACHE/build.log"; exit 1; }
  touch "$CACHE/.new-$$/.whole"
  rm -rf "$built"
  mv "$CACHE/.new-$$" "$built"
fi
if [ ! -d "$IMAGES" ]; then
  rm -rf "$IMAGES.new"
  PYTHONPATH=$project "${PYTHON:-python3}" "$here/images.py" system "$IMAGES.new" "$BIN"
  mv "$IMAGES.new" "$IMAGES"
fi

if [ -e "$RUN/init" ] && [ -d "/proc/$(cat "$RUN/init")" ] && [ -e "$RUN/ready" ]; then
  [ "$(cat "$RUN/built")" = "$BIN" ] || {
    say "the running cluster was started from another version of this project; stop it first: make cluster-down"
    exit 1
  }
  tell
  exit 0
fi
"$here/down.sh" # cleans up after an interrupted start

mkdir -p "$RUN/log" "$RUN/registry"
chmod 711 "$RUN"
echo "$BIN" >"$RUN/built"
sysctl -n $KEPT | tr '\n' ' ' >"$RUN/sysctl.before"
"$here/certs.sh" "$RUN/pki" "$ADDRESS" "$NODE" "${SERVICES%.0/16}.1"
setsid unshare --net --mount --propagation private --pid --fork --kill-child=SIGKILL --mount-proc \
  "$here/node.sh" >"$RUN/log/node.log" 2>&1 </dev/null 9>&- &
outer=$!
disown
for _ in $(seq 100); do
  first=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null | tr -d ' ') && [ -n "$first" ] && break
  sleep 0.05
done
echo "${first:?the node did not start}" >"$RUN/init"
ip link add "$LINK" type veth peer name eth0 netns "$first"
ip addr add "$HOST_ADDRESS/24" dev "$LINK"
ip link set "$LINK" up
for _ in $(seq 100); do ip route add "$PODS" via "$ADDRESS" 2>/dev/null && break; sleep 0.05; done
ip route add "$SERVICES" via "$ADDRESS"

fail() { say "$1; see $RUN/log"; tail -n 3 "$RUN/log/node.log" >&2; exit 1; }
await() { # WHAT COMMAND...
  local what=$1 end=$((SECONDS + 180))
  shift
  until "$@" >/dev/null 2>&1; do
    [ -d "/proc/$first" ] || fail "the node died while waiting for: $what"
    ((SECONDS < end)) || fail "timed out after 180 s waiting for: $what"
    sleep 0.1
  done
}
k() { "$BIN/kubectl" --kubeconfig "$RUN/pki/admin.kubeconfig" "$@"; }
await "the node is registered" k get node "$NODE"
await "default service account" k -n default get serviceaccount default
k apply -f "$here/system.yaml" >/dev/null
await "the node is ready" k wait --for=condition=Ready "node/$NODE" --timeout=1s
await "names are resolved" k -n kube-system wait --for=condition=Available deployment/coredns --timeout=1s
await "the ingress controller answers" k -n ingress wait --for=condition=Available deployment/ingress --timeout=1s
await "the registry answers" timeout 2 bash -c "exec 3<>/dev/tcp/$ADDRESS/${REGISTRY#*:}"
touch "$RUN/ready"
say "up in $SECONDS s"
tell
