"""The system calls that no preview may make, as a filter for bubblewrap. Standard library only, like ``namespaces``.

Every other call is allowed: these reach parts of the kernel that a web application doesn't need and that have had many
vulnerabilities. A forbidden call fails with EPERM, so a program that only tries one carries on. A call of another
architecture than the machine's own ends the process.

Sockets are of the families that a web application uses. A network namespace doesn't confine all others: AF_VSOCK
reaches the hypervisor and its other virtual machines.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
_NUMBERS = {
    "x86_64": {
        "acct": 163, "add_key": 248, "bpf": 321, "delete_module": 176, "finit_module": 313, "fsconfig": 431,
        "fsmount": 432, "fsopen": 430, "fspick": 433, "init_module": 175, "io_uring_enter": 426,
        "io_uring_register": 427, "io_uring_setup": 425, "ioperm": 173, "iopl": 172, "kexec_file_load": 320,
        "kexec_load": 246, "keyctl": 250, "mount": 165, "mount_setattr": 442, "move_mount": 429,
        "name_to_handle_at": 303, "open_by_handle_at": 304, "open_tree": 428, "perf_event_open": 298,
        "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101, "quotactl": 179,
        "reboot": 169, "request_key": 249, "setns": 308, "swapoff": 168, "swapon": 167, "syslog": 103,
        "umount2": 166, "unshare": 272, "userfaultfd": 323, "vhangup": 153,
    },
    "aarch64": {
        "acct": 89, "add_key": 217, "bpf": 280, "delete_module": 106, "finit_module": 273, "fsconfig": 431,
        "fsmount": 432, "fsopen": 430, "fspick": 433, "init_module": 105, "io_uring_enter": 426,
        "io_uring_register": 427, "io_uring_setup": 425, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219,
        "mount": 40, "mount_setattr": 442, "move_mount": 429, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "open_tree": 428, "perf_event_open": 241, "pivot_root": 41, "process_vm_readv": 270,
        "process_vm_writev": 271, "ptrace": 117, "quotactl": 60, "reboot": 142, "request_key": 218, "setns": 268,
        "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39, "unshare": 97, "userfaultfd": 282,
        "vhangup": 58,
    },
}  # fmt: skip
_SOCKET_NUMBERS = {
    "x86_64": {"socket": 41, "socketpair": 53},
    "aarch64": {"socket": 198, "socketpair": 199},
}
_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK, which the C library needs to resolve names and list addresses."""
_OF_NUMBER, _OF_ARCHITECTURE, _OF_FAMILY = 0, 4, 16
"""Offsets in the kernel's seccomp_data. The family is an int: the kernel ignores the upper half of the argument."""
_LOAD_WORD, _JUMP, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1


def program(*, sockets: bool = True) -> bytes:
    """The filter for this machine; empty on an architecture without a table. ``sockets``: False forbids all but
    pairs."""
    machine = os.uname().machine
    if machine not in AUDIT_ARCHITECTURES:
        return b""
    numbers, opening = sorted(_NUMBERS[machine].values()), _SOCKET_NUMBERS[machine]
    if not sockets:
        numbers.append(opening["socket"])
    lines = [
        _line(_LOAD_WORD, _OF_ARCHITECTURE),
        _line(_JUMP_EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD_WORD, _OF_NUMBER),
        _line(_JUMP_GREATER_EQUAL, X32_BIT, 0, 1),
        _line(_RETURN, _REFUSE),
        *_return_if_any(numbers, _REFUSE),
        *(_line(_JUMP_EQUAL, number, 2 - index, 0) for index, number in enumerate(opening.values())),
        _line(_RETURN, _ALLOW),
        _line(_LOAD_WORD, _OF_FAMILY),
        *_return_if_any(_FAMILIES, _ALLOW),
        _line(_RETURN, _REFUSE),
    ]
    return b"".join(lines)


def _return_if_any(values: Sequence[int], result: int) -> list[bytes]:
    """Returns ``result`` if the loaded word is one of the values, and continues otherwise."""
    jumps = [_line(_JUMP_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [*jumps, _line(_JUMP, 1), _line(_RETURN, result)]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
