"""``ephd`` with a certificate and an open address: others need TLS, and this machine's programs find it (S1)."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from orchestrator.demo.free_ports import free_port
from tests.app.ephd_harness import EphdHarness
from tests.gateway.certificates import CertificateAuthority

pytestmark = [pytest.mark.real, pytest.mark.long]


def open_to_the_network(ephd: EphdHarness, authority: CertificateAuthority) -> None:
    authority.issue()
    (ephd.home / "ca.crt").write_text(authority.text)
    file = ephd.home / "eph.toml"
    listen = f'listen = "127.0.0.1:{ephd.api_port}"'
    text = file.read_text()
    assert listen in text
    files = f'certificate_file = "{authority.certificate_file}"\nkey_file = "{authority.key_file}"\n'
    file.write_text(
        text.replace(listen, f'listen = "0.0.0.0:{ephd.api_port}"')
        + f'[tls]\nlisten = "127.0.0.1:{free_port()}"\n{files}'
    )


def test_the_api_is_served_with_tls_and_everything_reaches_it(ephd: EphdHarness, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, ("localhost",))
    open_to_the_network(ephd, authority)
    ephd.start()
    url = f"https://localhost:{ephd.api_port}"
    ephd.wait_until(lambda: httpx.get(f"{url}/readyz", verify=authority.client_context(), trust_env=False))
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{ephd.api_port}/readyz", trust_env=False)

    local = ephd.eph("server", "status")
    assert local.returncode == 0, local.stderr
    assert "http://127.0.0.1:" in local.stdout
    token = (ephd.home / "eph/keys/api.token").read_text().strip()
    remote = {"EPH_URL": url, "EPH_TOKEN": token}
    assert "certificate verify failed" in ephd.eph("server", "status", **remote).stderr
    trusted = ephd.eph("server", "status", **remote, EPH_CA_FILE=str(ephd.home / "ca.crt"))
    assert trusted.returncode == 0, trusted.stderr

    through_gateway = f"http://127.0.0.1:{ephd.gateway_port}/readyz"
    ephd.wait_until(lambda: httpx.get(through_gateway, headers={"Host": "localhost"}, trust_env=False))
