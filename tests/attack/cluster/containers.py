"""What the attacker's code can do in its own container."""

from __future__ import annotations

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("containers")
STATUS = {
    "be root": ("Uid", "0"),
    "have a capability": ("CapEff", ""),
    "gain privileges by a setuid program": ("NoNewPrivs", "0"),
    "call the kernel without a seccomp filter": ("Seccomp", "0"),
}
"""A line of /proc/self/status, and the value that it must not have. Of capabilities, none is allowed."""
FILES = {
    "the token of a service account": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "the node's kubelet configuration": "/var/lib/kubelet/config.yaml",
    "the container runtime's socket": "/run/containerd/containerd.sock",
    "the memory of the node": "/dev/mem",
}
WRITES = {
    "the node's core pattern": "/proc/sys/kernel/core_pattern",
    "the node's forwarding": "/proc/sys/net/ipv4/ip_forward",
    "the node's power state": "/proc/sysrq-trigger",
    "a control group": "/sys/fs/cgroup/escape",
}


@FAMILY.each("S3", "{}", "the kernel says so", STATUS)
def status(arena: Arena, case: tuple[str, str]) -> str:
    name, refused = case
    lines = arena.cluster.run_code("cat /proc/self/status").splitlines()
    found = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), None)
    if found is None:
        raise NotTried(f"the kernel shows no {name}")
    wrong = int(found, 16) != 0 if name == "CapEff" else found == refused
    return f"{name} is {found}" if wrong else ""


@FAMILY.each("S3 S4", "read {}", "something is read", FILES)
def read(arena: Arena, path: str) -> str:
    output = arena.cluster.run_code(f"test -e {path} && head -c 100 {path} >/dev/null && echo READ")
    return output if "READ" in output else ""


@FAMILY.each("S3", "write to {}", "the file is written", WRITES)
def write(arena: Arena, path: str) -> str:
    output = arena.cluster.run_code(f"(echo x > {path}) 2>/dev/null && echo WRITTEN")
    return output if "WRITTEN" in output else ""


@FAMILY.attack("S3", "see processes of the node", "a process of the node is visible")
def processes(arena: Arena) -> str:
    output = arena.cluster.run_code("cat /proc/[0-9]*/comm")
    seen = {"kubelet", "containerd", "kube-apiserver", "etcd", "init"} & set(output.split())
    return f"{sorted(seen)}" if seen else ""


@FAMILY.attack("S4", "find a secret of Eph in its environment", "a secret of Eph")
def secrets(arena: Arena) -> str:
    site = arena.cluster.site
    files = [site.token, site.secret, *(path for path in (site.eph_home / "keys").iterdir() if path.is_file())]
    values = {path.name: path.read_bytes().strip().decode(errors="replace") for path in files}
    output = arena.cluster.run_code("env; cat /proc/[0-9]*/environ")
    return ", ".join(name for name, value in values.items() if value and value in output)
