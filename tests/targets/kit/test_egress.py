"""Which addresses the proxy of environments connects to, and what it sends on."""

from __future__ import annotations

import ipaddress

import pytest

from programs.kit.isolation import egress
from programs.kit.isolation.egress import EgressProxy
from programs.kit.isolation.streams import RequestHead

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


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("http://example.org", ("example.org", 80, "/")),
        ("http://example.org/a?b=c", ("example.org", 80, "/a?b=c")),
        ("http://example.org:8080/a", ("example.org", 8080, "/a")),
        ("http://[::1]:8080/", ("::1", 8080, "/")),
        ("http://[::1]/", ("::1", 80, "/")),
    ],
)
def test_destination_of_a_plain_request(target: str, found: tuple[str, int, str]) -> None:
    assert egress._destination(RequestHead("GET", target, "HTTP/1.1", ())) == found


@pytest.mark.parametrize(
    "target", ["/path", "https://example.org/", "http://user@example.org/", "http:///x", "ftp://x/"]
)
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match="proxy accepts"):
        egress._destination(RequestHead("GET", target, "HTTP/1.1", ()))


def test_a_plain_request_is_the_only_one_on_its_connection() -> None:
    """S3: a second request could be for another destination."""
    head = RequestHead("GET", "http://x/", "HTTP/1.1", ("Host: x", "Connection: keep-alive", "Proxy-Authorization: y"))
    assert egress._origin_form(head, "/") == b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
