"""What code in an environment tries to get out; the tests of the target local and ``make attack`` share it."""

from __future__ import annotations

import socket
from collections.abc import Iterable

_SOCKET = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(-1 if libc.socket(%d, 3, 0) == -1 and ctypes.get_errno() == 1 else "the kernel was asked")
"""
SYSTEM_CALLS = {
    "unshare": "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))",
    "ptrace": "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))",
    "io_uring": "import ctypes; print(ctypes.CDLL(None).syscall(425, 8, 0))",
    "mount": "import ctypes; print(ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None))",
    "a socket to other virtual machines": _SOCKET % 40,
    "a socket of the kernel's cryptography": _SOCKET % 38,
    "a socket that captures packets": _SOCKET % 17,
    "private keys": "import os; print(-1 if not os.path.exists('/etc/ssl/private') else 0)",
    "home of root": "import os; print(-1 if not os.path.exists('/root') or not os.listdir('/root') else 0)",
}
"""Each prints -1 if it is refused."""
PRIVATE_NAMES = ("127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")


def proxy_requests(names: Iterable[str], port: int) -> str:
    """Code that prints the proxy's status for each name."""
    return f"""
import socket
for name in {list(names)!r}:
    made = socket.create_connection(("127.0.0.1", 3128), 5)
    made.sendall(f"CONNECT {{name}}:{port} HTTP/1.1\\r\\n\\r\\n".encode())
    print(made.recv(100).split()[1].decode())
"""


def raw_proxy_request(data: bytes) -> str:
    """Code that prints the proxy's status for these bytes."""
    return f"""
import socket
made = socket.create_connection(("127.0.0.1", 3128), 5)
made.sendall({data!r})
print(made.recv(100).split()[1].decode())
"""


def own_address() -> str:
    """An address of this machine that isn't loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
