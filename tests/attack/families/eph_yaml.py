"""An eph.yaml that is meant to break its parser or to mean more than it should."""

from __future__ import annotations

from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.problems import InvalidConfig
from tests.attack.arena import SHOP_YAML, Arena
from tests.attack.attack import Family
from tests.config.test_eph_yaml_errors import CASES
from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY

FAMILY = Family("eph.yaml")


@FAMILY.each(
    "Y1 S3", "write {}", "it is accepted, or the parser fails", {name: data for name, (data, _) in CASES.items()}
)
def malformed(_: Arena, data: bytes) -> str:
    try:
        parse(data)
    except InvalidConfig:
        return ""
    return "accepted"


ESCAPES = {
    "a seed script outside of the repository": SHOP_YAML.replace("./db/schema.sql", "../../../keys/api.token"),
    "an absolute seed script": SHOP_YAML.replace("./db/schema.sql", "/etc/passwd"),
    "another target": SHOP_YAML + "\ntarget: kubernetes\n",
    "a time to live of a thousand years": SHOP_YAML + "\nenvironment: {ttl: 52000w}\n",
    "a secret that it may not use": SHOP_YAML + "\nenvironment: {secrets: {X: other}}\n",
    "variables of Eph": SHOP_YAML + "\nenvironment: {env: {EPH_COMMIT: x}}\n",
}


@FAMILY.each("Y2 Y4 S3", "ask a running Eph for {}", "the environment is created", ESCAPES)
def refused(arena: Arena, text: str) -> str:
    branch = f"yaml-{list(ESCAPES.values()).index(text)}"
    number, sha = arena.site.open_pull(branch, {"eph.yaml": text})
    body = arena.site.wait_for_comment(number, sha[:7], timeout=sites.CREATE_TIMEOUT)
    sites.wait_until("it is decided", lambda: "" if decided(arena, number) else body, sites.CREATE_TIMEOUT)
    body = arena.site.comment(number)
    created = "**Ready**" in body
    secret = next((word for word in ("root:x:0", arena.site.api_token) if word in body), "")
    arena.site.forge.close_pull(REPOSITORY, number)
    return body if created or secret else ""


def decided(arena: Arena, number: int) -> bool:
    return any(
        word in arena.site.comment(number) for word in ("Ready", "Failed", "Invalid", "not allowed", "eph.yaml:")
    )
