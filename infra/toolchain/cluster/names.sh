# Names shared by up.sh, node.sh and down.sh, which source this file. RUN is the folder of the running cluster.
CACHE=${EPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eph}/cluster
RUN=${EPH_CLUSTER_RUN:-$CACHE/run}
NODE=eph-node
LINK=eph-cluster # the host's end of the link to the node
HOST_ADDRESS=10.213.0.1
ADDRESS=10.213.0.2
PODS=10.244.0.0/16
SERVICES=10.96.0.0/16
DNS=10.96.0.10
INGRESS=10.96.0.80 # as in system.yaml
METADATA=169.254.169.254
REGISTRY=$ADDRESS:5000
KEPT="vm.overcommit_memory kernel.panic kernel.panic_on_oops" # the kubelet changes these for the whole machine
