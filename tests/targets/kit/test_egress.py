"""Which addresses the proxy of environments connects to, and what it sends on."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from programs.kit.isolation import egress, local_addresses
from programs.kit.isolation.egress import EgressProxy
from programs.kit.isolation.streams import RequestHead
from programs.kit.processes import sandbox
from tests.targets import ambiguous_requests, own_public_address

BAD_URLS = (
    "/path", "https://example.org/", "http://user@example.org/", "http:///x", "ftp://x/", "http://example.org#@x/",
    "http://example.org?@x/", "http://example.org\\@x/", "http://a:80:80/", "http://a:/", "http://[::1/", "http://a\tb/",
)  # fmt: skip

METADATA = (
    "169.254.169.254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254",
)  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0",
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "168.63.129.16", "192.0.0.192", "100.100.100.200", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "64:ff9b:1::a9fe:a9fe",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_form(address: str) -> None:
    """S3"""
    assert not EgressProxy().permits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert EgressProxy().permits(ipaddress.ip_address(address))


def test_metadata_endpoints_are_refused_within_an_allowed_network() -> None:
    """S3: an operator who allows too much still doesn't give away the machine's identity."""
    proxy = EgressProxy(["0.0.0.0/0", "::/0"])
    assert proxy.permits(ipaddress.ip_address("10.1.2.3"))
    for address in METADATA:
        assert not proxy.permits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", METADATA)
def test_metadata_endpoints_are_recognized_in_every_form(address: str) -> None:
    """S3: whoever owns a name decides where it leads."""
    assert egress.is_metadata(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "1.1.1.1", "::1", "::ffff:10.1.2.3", "2606:4700::1111"])
def test_other_addresses_are_no_metadata_endpoints(address: str) -> None:
    assert not egress.is_metadata(ipaddress.ip_address(address))


@pytest.mark.real
@pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here")
def test_own_public_address_of_the_machine_is_refused_unless_its_network_is_allowed() -> None:
    """S3"""
    address, *others = own_public_address.ADDRESS, *own_public_address.OTHER_FORMS
    assert own_public_address.statuses(address, *others) == ["403"] * (1 + len(others))
    assert own_public_address.statuses(address, allow=f"{address}/32") == ["200"]


@pytest.mark.parametrize(("address", "found"), [("127.0.0.1", True), ("::1", True), ("1.1.1.1", False)])
def test_addresses_of_this_machine(address: str, found: bool) -> None:
    """S3"""
    assert local_addresses.is_local(ipaddress.ip_address(address)) is found


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("http://example.org", ("example.org", 80, "/")),
        ("http://example.org/a?b=c", ("example.org", 80, "/a?b=c")),
        ("HTTP://example.org:8080/a", ("example.org", 8080, "/a")),
        ("http://[::1]:8080/", ("::1", 8080, "/")),
        ("http://[::1]/", ("::1", 80, "/")),
    ],
)
def test_destination_of_a_plain_request(target: str, found: tuple[str, int, str]) -> None:
    assert egress._destination(RequestHead("GET", target, "HTTP/1.1", ())) == found


@pytest.mark.parametrize(
    ("target", "found"), [("example.org:443", ("example.org", 443, "")), ("[::1]:443", ("::1", 443, ""))]
)
def test_destination_of_a_tunnel(target: str, found: tuple[str, int, str]) -> None:
    assert egress._destination(RequestHead("CONNECT", target, "HTTP/1.0", ())) == found


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(("GET", target) for target in BAD_URLS),
        ("CONNECT", "example.org"),
        ("CONNECT", "example.org:0"),
        ("CONNECT", "example.org:99999"),
        ("CONNECT", "example.org:+80"),
        ("CONNECT", "example.org:8_0"),
        ("CONNECT", "example.org:\xb2"),
        ("CONNECT", "exam\xe9.org:80"),
        ("CONNECT", "exa\tmple.org:80"),
        ("CONNECT", "exa\nmple.org:80"),
        ("CONNECT", "::1:80"),
    ],
)
def test_other_targets_are_refused(method: str, target: str) -> None:
    """S3: another server could read a different destination."""
    with pytest.raises(ValueError, match="proxy accepts"):
        egress._destination(RequestHead(method, target, "HTTP/1.1", ()))


@pytest.mark.parametrize("request_bytes", ambiguous_requests.ALL)
def test_ambiguous_request_is_refused(request_bytes: bytes) -> None:
    """S3: it never gets as far as a connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await EgressProxy().handle(reader, writer)
        writer.close()

    async def run() -> bytes:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(request_bytes)
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(run()).split()[1] == b"400"


def test_a_plain_request_is_the_only_one_on_its_connection() -> None:
    """S3: a second request could be for another destination, and so could the header Host."""
    fields = ("Accept: z", "Host: y", "Connection: keep-alive", "Proxy-Authorization: y", "Upgrade: h2c")
    head = RequestHead("GET", "http://x:8080/", "HTTP/1.1", fields)
    lines = egress._request(head, egress._destination(head), "/")
    assert lines == ["GET / HTTP/1.1", "Host: x:8080", "Accept: z", "Connection: close"]
