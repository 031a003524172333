"""eph.yaml for the target `kubernetes`: what the program receives, and what is rejected with file and line (T2, Y2,
Y4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.config.problems import InvalidConfig
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.image_lookup import Fallback, ImageRequest
from programs.spec import EnvironmentSpec
from programs.targets.kubernetes import settings as target_settings
from programs.targets.kubernetes.errors import KubernetesError
from stacks import keys
from stacks.model import RefKind

BOTH = frozenset({"local", "kubernetes"})
POLICY = AdmissionPolicy(
    installed_targets=BOTH, allowed_targets=BOTH, registries={"kubernetes": ("r.test", "registry.example.com")}
)
IMAGE = "services: [{name: w, image: a}]\nenvironment: {images: [{name: a, repository: %s}]}\n"
CONTEXT = RecipeContext(keys.pull_request(1, 42), "acme/shop", "a" * 40, "feature", "/origin.git", "gentle-stream")
HEAD = 'version: "1.0"\nname: shop\ntarget: kubernetes\n'
EXAMPLE = Path(__file__).parents[2] / "eph.example.yaml"


def spec(text: str) -> EnvironmentSpec:
    return build_recipe(parse(text.encode()), CONTEXT, POLICY).spec


def test_the_example_means_what_it_says() -> None:
    found = build_recipe(parse(EXAMPLE.read_bytes()), CONTEXT, POLICY)
    made = found.spec
    assert made.target == "kubernetes"
    assert found.images == (
        ImageRequest(
            "api",
            "registry.example.com/acme/shop",
            tag="pr-42-aaaaaaa",
            pattern="pr-42-*",
            max_age=timedelta(days=7),
            fallback_tag="latest",
        ),
    )
    assert made.images == {}, "they are found first"
    assert made.manifests == ("k8s/base", "k8s/overlays/preview")
    assert made.databases[0].scripts == ("db/schema.sql",)
    assert EnvironmentSpec.from_json(made.to_json()) == made


def test_an_image_can_be_named_by_digest() -> None:  # I2
    digest = "sha256:" + "1" * 64
    image = f"{{name: web, repository: r.test/web, tag_template: '{digest}', fallback_tag: '{digest}'}}"
    text = f"{HEAD}environment: {{images: [{image}]}}\nservices: [{{name: web, image: web, port: 3000}}]\n"
    wish = build_recipe(parse(text.encode()), CONTEXT, POLICY).images[0]
    assert (wish.tag, wish.fallback_tag) == (digest, digest)


def test_image_services_and_their_resources() -> None:
    text = (
        HEAD + "environment: {images: [{name: web, repository: r.test/web, tag_template: '{commit_sha}', wait: 5m, "
        "fallback_tag: main, fallback: wait, git_notes: true, required_labels: {rev: '{commit_sha:0:7}', team: red}}, "
        "{name: cron, repository: r.test/other, tag_template: x}], resources: {cpu: 2, memory: 3Gi}}\n"
        "services: [{name: web, image: web, port: 3000}, "
        "{name: night, image: cron, schedule: '0 4 * * *', public: false}]\n"
    )
    made = spec(text)
    wish, _ = build_recipe(parse(text.encode()), CONTEXT, POLICY).images
    assert (wish.tag, wish.notes, wish.wait) == ("a" * 40, "refs/notes/eph", timedelta(minutes=5))
    assert (wish.fallback, wish.fallback_tag) == (Fallback.WAIT, "main")
    assert wish.labels == (("rev", "aaaaaaa"), ("team", "red"))
    assert made.resources == {"cpu": "2", "memory": "3Gi"}
    assert (made.services[0].image, made.services[0].port) == ("web", 3000)


def test_services_are_ordered_scheduled_and_bounded() -> None:
    """Y2: every key of a service reaches the program; a scheduled service is never public."""
    made = spec(
        HEAD + "environment: {images: [{name: web, repository: r.test/web, tag_template: x}]}\n"
        "hooks: {pre_destroy: [bin/bye]}\n"
        "services:\n"
        "  - {name: web, image: web, after: [api], volumes: {/data: 1Gi}, resources: {cpu: 0.5, memory: 256Mi}}\n"
        "  - {name: api, image: web, public: false, port: 9000}\n"
        "  - {name: nightly, image: web, schedule: '0 3 * * 1-5'}\n"
    )
    web, api, nightly = made.services
    assert (web.after, dict(web.volumes), dict(web.resources)) == (
        ("api",),
        {"/data": "1Gi"},
        {"cpu": "0.5", "memory": "256Mi"},
    )
    assert (nightly.schedule, nightly.public, api.public) == ("0 3 * * 1-5", False, False)
    assert made.hooks.pre_destroy[0].run == "bin/bye"
    assert EnvironmentSpec.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("services", "why"),
    [
        ("[{name: a, image: i, after: [b]}]", r"services\[0\]\.after\[0\]: unknown service `b`.*services are a"),
        ("[{name: web, image: i, after: [wep]}, {name: wee, image: i}]", "did you mean `wee`"),
        ("[{name: a, image: i, after: [b]}, {name: b, image: i, after: [a]}]", "circular dependency between a, b"),
        ("[{name: a, image: i, after: [a]}]", "circular dependency between a"),
        ("[{name: a, image: i, after: [b]}, {name: b, image: i, schedule: '* * * * *'}]", "never becomes ready"),
        ("[{name: a, image: i}, {name: b, image: i, schedule: '@daily'}]", "five fields of cron"),
        (
            "[{name: a, image: i}, {name: b, image: i, schedule: '61 * * * *'}]",
            "'61' is not a valid minute",
        ),
        ("[{name: a, image: i}, {name: b, image: i, schedule: '0 0 30 2 *'}]", "matches no date"),
        ("[{name: a, image: i, schedule: '* * * * *', public: true}]", r"services\[0\]\.public.*can't be public"),
        ("[{name: a, image: i, schedule: '* * * * *', port: 1}]", r"services\[0\]\.port.*has no port"),
        ("[{name: a, image: i, volumes: {data: 1Gi}}]", "volume `data` needs an absolute path"),
        ("[{name: a, image: i, volumes: {./data: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {.: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {../data: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {data/: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {.git/hooks: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {/a/../b: 1Gi}}]", "not a valid volume path"),
        ("[{name: a, image: i, volumes: {/etc/ssl: 1Gi}}]", "would hide what is in /etc"),
        ("[{name: a, image: i, volumes: {/data: lots}}]", "not an amount"),
    ],
)
def test_inconsistencies_are_rejected_with_their_position(services: str, why: str) -> None:
    text = (
        f"{HEAD}environment: {{images: [{{name: i, repository: r.test/i, tag_template: x}}]}}\nservices: {services}\n"
    )
    with pytest.raises(InvalidConfig, match=why):
        spec(text)


def test_on_local_volumes_and_limits_are_notices_and_schedules_run() -> None:
    local = HEAD.replace("kubernetes", "local")
    text = "services: [{name: web, command: run, after: [], volumes: {/data: 1Gi}, resources: {cpu: 1}}]\n"
    [web] = spec(local + text.replace("/data", "app/media")).services
    assert dict(web.volumes) == {"app/media": "1Gi"}, "a folder of the checkout"
    told = notices(parse((local + text).encode()), POLICY)
    assert [line.split(": ")[1] for line in told] == ["services[0].volumes", "services[0].resources"]
    made = spec(local + "services: [{name: web, command: run}, {name: n, command: run, schedule: '0 3 * * *'}]\n")
    assert [item.schedule for item in made.services] == ["", "0 3 * * *"]


def test_public_services_of_manifests_can_be_used_in_placeholders() -> None:
    """Y2: one name or a list."""
    given = "kubernetes: {{manifests: [k8s], public: {public}}}\nenvironment: {{env: {{API: '{{url:api}}'}}}}\n"
    assert spec(HEAD + given.format(public="[web, api]")).options == {"public": ["web", "api"]}
    assert spec(HEAD + given.format(public="api")).options == {"public": ["api"]}
    with pytest.raises(InvalidConfig, match=r"unknown placeholder \{url:api\}"):
        spec(HEAD + given.format(public="web"))
    with pytest.raises(InvalidConfig, match="the service 'web' is listed twice"):
        spec(HEAD + given.format(public="[web, web]"))


def test_public_services_of_manifests_can_have_a_health_check() -> None:
    """Y2, P3: in the words of the target `compose`."""
    given = "kubernetes: {manifests: [k8s], public: %s}\n"
    found = spec(HEAD + given % "[web, {service: api, health: /v1/ping}]").options
    assert found == {"public": ["web", "api"], "health": {"api": "/v1/ping"}}
    assert spec(HEAD + given % "{service: web, health: /up}").options == {"public": ["web"], "health": {"web": "/up"}}
    for wrong, why in (
        ("[{service: web, health: up}]", r"kubernetes\.public\[0\]\.health"),
        ("[{health: /up}]", r"kubernetes\.public\[0\]\.service"),
        ("[Web]", r"kubernetes\.public\[0\].*service"),
        ("[1]", r"kubernetes\.public\[0\]"),
        ("[web, {service: web}]", "the service 'web' is listed twice"),
    ):
        with pytest.raises(InvalidConfig, match=why):
            spec(HEAD + given % wrong)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "kubernetes: {manifests: [k8s]}\ndatabase: {instances: [{name: main, migrate: run}]}\n",
            r"database\.instances\[0\]\.migrate: no image is listed in which this command can run",
        ),
        ("services: [{name: web, command: run}]\n", r"services\[0\]: the target `kubernetes` needs an image"),
        ("name_: x\n", "name_"),
        ("", "needs services or manifests"),
        (
            IMAGE % "r.test/a, fallback_tag: 'no tag'",
            r"environment\.images\[0\]\.fallback_tag: .* is not a valid image tag",
        ),
        (
            IMAGE % "r.test/a, tag_template: '-{branch}'",
            r"environment\.images\[0\]\.tag_template: .* is not a valid image tag",
        ),
        (
            IMAGE % "evil.test/a, tag_template: x",
            r"images\[0\]\.repository: this server does not allow images from evil",
        ),
        (IMAGE % "r.test/a, git_notes: true, notes_ref: refs/heads/x", "is not a git notes ref"),
        (IMAGE % "r.test/a, tag_template: x, required_labels: {a: '{nothing}'}", "unknown placeholder"),
        (
            "kubernetes: {manifests: [k8s]}\n"
            "database: {instances: [{name: a, template: {strategy: template, source: x}}]}\n",
            r"this server has no prepared database `x` for the target `kubernetes`.*kubernetes\.templates",
        ),
        (
            "kubernetes: {manifests: [k8s]}\n"
            "database: {instances: [{name: a, template: {strategy: branch, source: x}}]}\n",
            "strategy `branch` is not available on target `kubernetes`.*use empty, seed or template",
        ),
    ],
)
def test_impossible_requests_are_rejected_with_their_position(text: str, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why):
        spec(HEAD + text)


def test_values_of_charts_are_templates_and_numbers_stay_numbers() -> None:
    """T2: a commit that consists of digits is still text."""
    made = spec(
        HEAD + "kubernetes:\n  manifests: [chart]\n  values_files: [./preview.yaml]\n"
        "  values: {image.tag: '{commit_sha:0:7}', pr: 'pr-{number}', replicas: 2, share: 0.5, on: true, text: '012'}\n"
    )
    assert dict(made.values) == {
        "image.tag": "aaaaaaa",
        "pr": "pr-42",
        "replicas": 2,
        "share": 0.5,
        "on": True,
        "text": "012",
    }
    assert made.values_files == ("preview.yaml",)
    assert EnvironmentSpec.from_json(made.to_json()) == made
    for wrong, why in (("{a..b: 1}", "not a value path"), ("{a: [1]}", "values"), ("{a: '{nobody}'}", "nobody")):
        with pytest.raises(InvalidConfig, match=why):
            spec(HEAD + f"kubernetes: {{manifests: [chart], values: {wrong}}}\n")


def test_prepared_database_must_be_offered_for_that_target() -> None:
    """D1, Y4: eph.yaml contains its name, and the server maps it to a database."""
    policy = replace(POLICY, templates={"kubernetes": frozenset({"shop"}), "local": frozenset({"tiny"})})
    database = "database: {instances: [{name: main, template: {strategy: template, source: SOURCE}}]}\n"
    text = HEAD + "kubernetes: {manifests: [k8s]}\n" + database
    made = build_recipe(parse(text.replace("SOURCE", "shop").encode()), CONTEXT, policy).spec
    assert (made.databases[0].strategy, made.databases[0].source) == ("template", "shop")
    assert EnvironmentSpec.from_json(made.to_json()) == made
    with pytest.raises(InvalidConfig, match="no prepared database `tiny` for the target `kubernetes`; available: shop"):
        build_recipe(parse(text.replace("SOURCE", "tiny").encode()), CONTEXT, policy)


def test_ignored_keys_are_reported() -> None:
    text = HEAD + (
        "kubernetes: {manifests: [k8s]}\nbuild: {command: make}\nenvironment: {resources: {cpu: 1}, images: "
        "[{name: a, repository: r.test/a, tag_template: x, fallback_tag: y, fallback: fail}]}\n"
    )
    told = notices(parse(text.encode()), POLICY)
    assert [line.split(": ")[1] for line in told] == [
        "build",
        "environment.images[0].fallback_tag",
    ]


def test_the_servers_settings_reach_the_target(tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "home": tmp_path,
        "targets": {"allowed": ["kubernetes"], "default": "kubernetes"},
        "kubernetes": {
            "ingress_class": "nginx",
            "egress_allow": ["10.1.0.0/16"],
            "registries": ["r.test"],
            "pods": 9,
            "postgres": "postgresql://admin:secret@db/postgres",
            "templates": ["shop=shop_prepared"],
        },
    }
    settings = ServerSettings(**told)
    assert settings.admission_policy().templates["kubernetes"] == {"shop"}
    assert "admin:secret" not in repr(settings)
    on = target_settings.from_mapping(settings.target_settings("c0ffee")["kubernetes"])
    assert (on.ingress_class, on.allowed_networks, on.registries, on.pods, on.server) == (
        "nginx",
        ("10.1.0.0/16",),
        "r.test",
        "9",
        "eph-c0ffee",
    )
    assert (on.postgres, on.template_databases) == ("postgresql://admin:secret@db/postgres", {"shop": "shop_prepared"})
    assert "kubernetes" not in ServerSettings(home=tmp_path).target_settings("")


def test_local_is_started_only_if_it_is_or_was_allowed(tmp_path: Path) -> None:
    """O4: an ephd in a pod has neither PostgreSQL's server nor a sandbox, and needs none (T2)."""
    only = ServerSettings(home=tmp_path, targets={"allowed": ["kubernetes"], "default": "kubernetes"})
    assert set(only.target_settings("")) == {"kubernetes"}
    Path(only.target_mapping("local")["root"]).mkdir()
    assert set(only.target_settings("")) == {"kubernetes", "local"}


def test_target_that_is_no_longer_allowed_can_still_be_reached(tmp_path: Path) -> None:
    """L7: a destroy is always possible, whatever was removed from targets.allowed."""
    tables: dict[str, Any] = {"kubernetes": {"ingress_class": "nginx"}}
    configured = ServerSettings(home=tmp_path, **tables)
    assert "kubernetes" not in configured.admission_policy().allowed_targets
    assert configured.target_settings("c0ffee")["kubernetes"]["ingress_class"] == "nginx"
    bare = ServerSettings(home=tmp_path)
    assert "kubernetes" in bare.target_settings("c0ffee", frozenset({"kubernetes"})), "a stack says that it is there"
    with pytest.raises(KubernetesError, match=r"Restore the section \[kubernetes\]"):
        target_settings.from_mapping({})


@pytest.mark.parametrize(("front", "deploys"), [("ingress", False), ("eph", True)])
def test_label_deploys_need_the_gateway_in_front_of_them(tmp_path: Path, front: str, deploys: bool) -> None:
    """M5: an Ingress would serve one after its expiry, whether or not ephd runs. A pull request has no such end."""
    table = {"front": front, "front_namespace": "eph", "front_labels": "app=eph"}
    tables: dict[str, Any] = {"kubernetes": table, "targets": {"allowed": ["kubernetes"], "default": "kubernetes"}}
    policy = ServerSettings(home=tmp_path, **tables).admission_policy()
    file = parse((HEAD + IMAGE % "r.test/acme/shop, fallback_tag: latest").encode())
    deploy = replace(CONTEXT, key=keys.ref(1, RefKind.DEPLOY, "feat-x"), head_ref="feat-x")
    assert build_recipe(file, CONTEXT, policy).spec.target == "kubernetes"
    if deploys:
        assert build_recipe(file, deploy, policy).spec.target == "kubernetes"
        return
    with pytest.raises(InvalidConfig) as caught:
        build_recipe(file, deploy, policy)
    [problem] = caught.value.problems
    assert (problem.line, 'kubernetes.front to "eph"' in problem.expected) == (3, True)


def test_label_deploys_are_refused_where_a_load_balancer_serves_them(tmp_path: Path) -> None:
    """M5."""
    obstacles = ServerSettings(home=tmp_path).admission_policy().label_deploy_obstacles
    assert {name for name, obstacle in obstacles.items() if obstacle} == {"aws", "kubernetes"}


TWO_IMAGES = (
    HEAD + "environment: {images: [{name: web, repository: r.test/web, tag_template: x%s}, "
    "{name: api, repository: r.test/api, tag_template: x%s}]}\n"
)


def test_image_that_no_service_runs_is_an_error_unless_manifests_can_use_it() -> None:
    """I1: a listed image that nothing runs is a mistake, and the preview would show something else."""
    services = "services: [{name: web, image: web}]\n"
    with pytest.raises(InvalidConfig, match=r"images\[1\].*no service runs the image `api`"):
        spec(TWO_IMAGES % ("", "") + services)
    assert spec(
        TWO_IMAGES % ("", ", replaces: ghcr.io/acme/api") + "kubernetes: {manifests: [k8s]}\n"
    ).replaced_images == {"api": "ghcr.io/acme/api"}


def test_two_images_cannot_replace_the_same_repository() -> None:
    text = TWO_IMAGES % (", replaces: acme/api", ", replaces: docker.io/acme/api") + "kubernetes: {manifests: [k8s]}\n"
    with pytest.raises(InvalidConfig, match="image `web` already replaces"):
        parse(text.encode())


def test_images_of_one_repository_can_replace_its_tags() -> None:
    """I1: as published charts name them."""
    tags = (", replaces: 'acme/shop:web'", ", replaces: 'docker.io/acme/shop:api'")
    given = spec(TWO_IMAGES % tags + "kubernetes: {manifests: [k8s]}\n")
    assert given.replaced_images == {"web": "acme/shop:web", "api": "docker.io/acme/shop:api"}
    for wrong, why in (
        ((", replaces: 'acme/shop:a'", ", replaces: 'acme/shop:a'"), "image `web` already replaces"),
        (("", ", replaces: 'acme/shop:-a'"), r"images\[1\]\.replaces"),
        (("", ", replaces: ':a'"), r"images\[1\]\.replaces"),
    ):
        with pytest.raises(InvalidConfig, match=why):
            spec(TWO_IMAGES % wrong + "kubernetes: {manifests: [k8s]}\n")


def test_image_that_only_services_turned_off_by_labels_name_is_optional() -> None:
    """I1, Y5: manifests may use it as well, so it's still looked up; without them, nothing needs it."""
    off = "services: [{name: web, image: web}, {name: api, image: api, public: false}]\nlabels: {x: {disable: [api]}}\n"
    for manifests, found, optional in (
        ("kubernetes: {manifests: [k8s]}\n", ["web", "api"], ("api",)),
        ("", ["web"], ()),
    ):
        document = parse((TWO_IMAGES % ("", "") + off + manifests).encode())
        usual = build_recipe(document, CONTEXT, POLICY)
        assert (len(usual.images), usual.spec.optional_images) == (2, ())
        recipe = build_recipe(document, replace(CONTEXT, labels=frozenset({"x"})), POLICY)
        assert [image.name for image in recipe.images] == found
        assert recipe.spec.optional_images == optional
        assert EnvironmentSpec.from_json(recipe.spec.to_json()) == recipe.spec
