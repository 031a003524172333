"""What people read about secrets in Vault."""

from __future__ import annotations

EXAMPLE = "secret/shop/stripe#key (mount/path#key)"

# --- Settings


def not_a_url(quoted: str) -> str:
    return f"{quoted} is not an https URL of a server"


USE_A_URL = "use a value such as https://vault.example.com:8200"
NO_ADDRESS = "secret_providers.vault.address isn't set"
SET_ADDRESS = "set it to Vault's URL"
NEEDS_ONE_LOGIN = "secret_providers.vault needs exactly one way to log in"
SET_ONE_LOGIN = "set token, token_file or role"


def unusable_ca_file(path: object, problem: str) -> str:
    return f"can't read {path} ({problem}); set secret_providers.vault.ca_file to a file with certificates"


NO_CERTIFICATE = "no certificate in it"

# --- Reading


def secret(reference: str) -> str:
    return f"the Vault secret {reference}"


def not_in_store(secret: str) -> str:
    return f"{secret} is not in a KV store of version 2; use the path of one that is"


def access(secret: str) -> str:
    return f"read access to {secret}"


def login(role: str) -> str:
    return f"login with the role {role}"


def denied(request: str) -> str:
    return f"Vault denies {request}; check the token and its policies"


NO_TOKEN = "Vault's answer to the login has no token; check secret_providers.vault"


def unreachable(address: str, problem: str) -> str:
    return f"Vault at {address} doesn't respond ({problem}); check the server and secret_providers.vault.address"


def failed(address: str, status: int, advice: str) -> str:
    return f"Vault at {address} responded with {status}; {advice}"


UNSEAL = "unseal it"
USE_ACTIVE_SERVER = "use the address of the active server"
CHECK_LOG = "check Vault's log"
