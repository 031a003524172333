#!/bin/bash
# The first process in the node's namespaces; started by up.sh, which exports the variables. It exits when any
# component exits, so that a cluster never runs half-broken.
set -euo pipefail
cd "$RUN"
pki=$RUN/pki
mkdir -p etc cni registry/data

# Paths that are hard-coded in runc, containerd and the kubelet, mounted privately in this namespace. The empty mount
# points are on the machine; down.sh removes those created here.
for folder in /run/netns /run/containerd /run/runc /var/log/containers /var/lib/kubelet; do
  [ -d "$folder" ] || { mkdir -p "$folder"; echo "$folder" >>made; }
  mount -t tmpfs tmpfs "$folder"
done
for _ in $(seq 200); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.05; done
ip link set lo up
ip addr add "$ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default via "$HOST_ADDRESS"
ip addr add "$METADATA/32" dev lo # the address of a cloud's metadata service: something responds there, so that tests can check that it is blocked
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1

start() {
  local name=$1
  shift
  "$@" >"$RUN/log/$name.log" 2>&1 </dev/null &
  echo "$name $!"
}

start metadata "$BIN/tools" serve 80
start etcd etcd --data-dir "$RUN/etcd" --name "$NODE" --unsafe-no-fsync \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster "$NODE=http://127.0.0.1:2380"

# A private registry, which requires a password. It supports only bcrypt hashes.
password=$(openssl rand -hex 12)
printf 'eph:%s' "$password" >registry/auth
"${PYTHON:-python3}" -W ignore -c 'import crypt, sys; print("eph:" + crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)).replace("$2b$", "$2a$"))' \
  "$password" >registry/htpasswd
cat >etc/registry.yaml <<YAML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $RUN/registry/data}, delete: {enabled: true}}
http: {addr: "$REGISTRY", secret: "$(openssl rand -hex 12)"}
auth: {htpasswd: {realm: test, path: $RUN/registry/htpasswd}}
YAML
start registry docker-registry serve "$RUN/etc/registry.yaml"

mkdir -p "etc/certs.d/$REGISTRY"
printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$REGISTRY" "$REGISTRY" \
  >"etc/certs.d/$REGISTRY/hosts.toml"
# restrict_oom_score_adj: without CAP_SYS_RESOURCE lowering the score fails, and every pod dies at its start.
cat >etc/containerd.toml <<TOML
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$RUN/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "cluster.test/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$RUN/etc/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
TOML
cat >cni/10-bridge.conflist <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$RUN/cni-addresses", "ranges": [[{"subnet": "${PODS%.0.0/16}.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
start containerd containerd -c "$RUN/etc/containerd.toml"

start kube-apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$ADDRESS" \
  --secure-port=6443 --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" \
  --tls-private-key-file="$pki/apiserver.key" --kubelet-client-certificate="$pki/apiserver-kubelet.crt" \
  --kubelet-client-key="$pki/apiserver-kubelet.key" --kubelet-certificate-authority="$pki/ca.crt" \
  --kubelet-preferred-address-types=InternalIP --service-account-key-file="$pki/accounts.key" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-signing-key-file="$pki/accounts.key" --service-cluster-ip-range="$SERVICES" \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true --profiling=false

for _ in $(seq 200); do ctr -a "$RUN/containerd.sock" version >/dev/null 2>&1 && break; sleep 0.1; done
for image in "$IMAGES"/*.tar; do ctr -a "$RUN/containerd.sock" -n k8s.io images import "$image"; done

# Only now: before the bootstrap roles exist, the controller manager is denied access and exits.
k() { "$BIN/kubectl" --kubeconfig "$pki/admin.kubeconfig" "$@"; }
for _ in $(seq 600); do k get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
rates="--kube-api-qps=200 --kube-api-burst=400 --leader-elect=false" # with the default rates, a namespace takes 5 s longer
config() { echo "--kubeconfig=$pki/$1.kubeconfig --authentication-kubeconfig=$pki/$1.kubeconfig --authorization-kubeconfig=$pki/$1.kubeconfig"; }
start kube-controller-manager "$BIN/kube-controller-manager" $(config controller-manager) $rates --bind-address=127.0.0.1 \
  --service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --use-service-account-credentials=true --profiling=false
start kube-scheduler "$BIN/kube-scheduler" $(config scheduler) $rates --bind-address=127.0.0.1 --profiling=false

for group in /sys/fs/cgroup /sys/fs/cgroup/*/; do
  [ ! -e "$group/cgroup.procs" ] || mkdir -p "$group/$NODE" 2>/dev/null || true
done
echo "nameserver $DNS" >etc/resolv.conf
cat >etc/kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $ADDRESS
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$NODE
failCgroupV1: false
failSwapOn: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-server.crt
tlsPrivateKeyFile: $pki/kubelet-server.key
clusterDNS: [$DNS]
clusterDomain: cluster.local
resolvConf: $RUN/etc/resolv.conf
podLogsDir: $RUN/pod-logs
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
YAML
start kubelet "$BIN/kubelet" --config="$RUN/etc/kubelet.yaml" --kubeconfig="$pki/kubelet.kubeconfig" \
  --root-dir="$RUN/kubelet" --hostname-override="$NODE" --node-ip="$ADDRESS"
# minSyncPeriod: with the default, a service refuses connections for 0.7 s after its Deployment is available.
cat >etc/proxy.yaml <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $pki/proxy.kubeconfig}
clusterCIDR: $PODS
hostnameOverride: $NODE
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 100ms}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
YAML
start kube-proxy "$BIN/kube-proxy" --config="$RUN/etc/proxy.yaml"
start policy "$BIN/tools" policy --kubeconfig="$pki/admin.kubeconfig"

wait -n -p ended && code=0 || code=$?
echo "process $ended exited with $code; stopping the node"
