"""The resources that the AWS program declares, with Pulumi's mocks, compared with the list in the docs. T3, T7, D1."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.spec import CommandSpec, DatabaseSpec, HealthCheck, LifecycleHooks, Secret, ServiceSpec
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.settings import AwsSettings
from tests.targets.aws.recorded_program import IMAGE, NAME, OWN_NETWORK, SETTINGS, WEB, aws_spec, record_program

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "aws.md"
SHARED_SETTINGS = replace(
    SETTINGS, zone="", subnets="subnet-1,subnet-2", listener="arn:aws:listener", cluster="previews"
)
SHARED = ExistingParts(vpc_id="vpc-1", load_balancer_host="lb.test", load_balancer_groups=("sg-lb",))
WORKER = ServiceSpec("worker", "bin/work", public=False, image="shop")
FULL_SPEC = aws_spec(
    WEB,
    WORKER,
    databases=(DatabaseSpec("main", migrate=CommandSpec("bin/migrate")),),
    options={"size": "ephemeral", "queues": ["jobs"], "buckets": ["files"]},
)


def documented(heading: str) -> Counter[str]:
    """The types in the table under this heading, each as often as its column says."""
    section = PAGE.read_text().partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| .* \| `([a-zA-Z0-9/]+)` \| (\d+) \|$", section, re.MULTILINE)
    return Counter({kind: int(count) for kind, count in rows})


def declared(resources: Mapping[str, object]) -> Counter[str]:
    found = (key.split(" ")[0].split(":") for key in resources)
    return Counter(parts[1] for parts in found if parts[0] == "aws")


@pytest.mark.parametrize(
    ("heading", "settings", "shared"),
    [
        ("With its own network and load balancer", SETTINGS, OWN_NETWORK),
        ("With shared subnets, load balancer and cluster", SHARED_SETTINGS, SHARED),
    ],
)
def test_docs_list_exactly_the_resources_that_are_created(
    heading: str, settings: AwsSettings, shared: ExistingParts
) -> None:
    assert declared(record_program(FULL_SPEC, settings, shared).resources) == documented(heading)


def test_database_is_small_private_encrypted_and_leaves_nothing() -> None:
    (made,) = record_program(FULL_SPEC).of("rds/instance").values()
    assert (made["instanceClass"], made["allocatedStorage"], made["storageType"]) == ("db.t4g.micro", 20, "gp3")
    assert (made["publiclyAccessible"], made["storageEncrypted"]) == (False, True)
    assert (made["skipFinalSnapshot"], made["deletionProtection"], made["backupRetentionPeriod"]) == (True, False, 0)
    assert made["deleteAutomatedBackups"] is True


def test_full_size_resembles_production() -> None:
    spec = replace(FULL_SPEC, options={"size": "full"})
    made = record_program(spec, replace(SETTINGS, largest_size="full"))
    (database,) = made.of("rds/instance").values()
    assert (database["allocatedStorage"], database["backupRetentionPeriod"]) == (500, 7)
    assert {item["desiredCount"] for item in made.of("ecs/service").values()} == {3}


def test_only_the_environments_tasks_can_reach_its_database() -> None:
    """S3."""
    rules = record_program(FULL_SPEC).of("vpc/securityGroupIngressRule")
    database = rules["database"]
    assert (database["securityGroupId"], database["referencedSecurityGroupId"]) == ("database-id", "tasks-id")
    assert (database["fromPort"], database["toPort"]) == (5432, 5432)
    open_to_all = [name for name, rule in rules.items() if rule.get("cidrIpv4") == "0.0.0.0/0"]
    assert open_to_all == ["visitors-0.0.0.0-0"]
    assert {rule["securityGroupId"] for name, rule in rules.items() if name.startswith("visitors")} == {
        "load-balancer-id"
    }


def test_visitors_can_be_limited_to_networks_and_the_certificate_means_https() -> None:
    settings = replace(SETTINGS, allowed_networks="10.0.0.0/8, 192.0.2.0/24", certificate="arn:aws:acm:cert")
    made = record_program(FULL_SPEC, settings)
    rules = made.of("vpc/securityGroupIngressRule")
    visitors = {rule["cidrIpv4"]: rule["fromPort"] for name, rule in rules.items() if name.startswith("visitors")}
    assert visitors == {"10.0.0.0/8": 443, "192.0.2.0/24": 443}
    listener = made.of("lb/listener")["listener"]
    assert (listener["protocol"], listener["certificateArn"]) == ("HTTPS", "arn:aws:acm:cert")
    assert listener["defaultActions"][0]["fixedResponse"]["statusCode"] == "404"


def containers(made: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: json.loads(item["containerDefinitions"])[0] for name, item in made.items()}


def test_no_task_definition_contains_a_secret() -> None:
    """S4: values are in Secrets Manager, and the task definition refers to them."""
    spec = replace(FULL_SPEC, secrets={"API_KEY": Secret("api-key", "m1", "hunter2-secret")}, env={"API_KEY": "fake"})
    recorded = record_program(spec)
    found = containers(recorded.of("ecs/taskDefinition"))
    for container in found.values():
        assert {item["name"] for item in container["secrets"]} == {"API_KEY", "DATABASE_URL"}
        assert not {item["name"] for item in container["environment"]} & {"API_KEY", "DATABASE_URL"}
        assert "hunter2" not in json.dumps(container)
        assert "generated" not in json.dumps(container), "the database's password"
    references = {item["name"]: item["valueFrom"] for item in found["service-web"]["secrets"]}
    assert references["API_KEY"] == "arn:aws:test:secret-values:API_KEY::"
    changed = replace(spec, secrets={"API_KEY": Secret("api-key", "m2", "hunter3-secret")})
    labels = containers(record_program(changed).of("ecs/taskDefinition"))["service-web"]["dockerLabels"]
    assert labels != found["service-web"]["dockerLabels"], "tasks restart with the new value"


def test_containers_receive_ephs_variables_and_those_of_queues_and_buckets() -> None:
    variables = {
        item["name"]: item["value"]
        for item in containers(record_program(FULL_SPEC).of("ecs/taskDefinition"))["service-worker"]["environment"]
    }
    assert variables == {
        "EPH_COMMIT": "a" * 40,
        "EPH_ENVIRONMENT": NAME,
        "FILES_BUCKET": "bucket-files-id",
        "JOBS_QUEUE_URL": "https://sqs/queue-jobs",
        "PREVIEW_URL": f"https://{NAME}.preview.test",
        "WEB_PUBLIC_HOST": f"{NAME}.preview.test",
        "WEB_PUBLIC_URL": f"https://{NAME}.preview.test",
        "WEB_URL": "http://web:8080",
    }


def test_roles_can_use_the_environments_own_resources_only() -> None:
    """S3: least rights, and a permissions boundary on every role."""
    image = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/acme/shop@sha256:{'c' * 64}"
    boundary = "arn:aws:iam::123456789012:policy/previews"
    made = record_program(replace(FULL_SPEC, images={"shop": image}), replace(SETTINGS, permissions_boundary=boundary))
    assert {role["permissionsBoundary"] for role in made.of("iam/role").values()} == {boundary}
    policies = {name: json.loads(item["policy"])["Statement"] for name, item in made.of("iam/rolePolicy").items()}
    wide = [one["Action"] for statements in policies.values() for one in statements if one["Resource"] == ["*"]]
    assert wide == [["ecr:GetAuthorizationToken"]], "which has no resource"
    pulls = next(one for one in policies["role-execution"] if "ecr:BatchGetImage" in one["Action"])
    assert pulls["Resource"] == ["arn:aws:ecr:eu-central-1:123456789012:repository/acme/shop"]
    reads = next(one for one in policies["role-execution"] if "secretsmanager:GetSecretValue" in one["Action"])
    assert reads["Resource"] == ["arn:aws:test:secret-database-main"]
    used = {arn for one in policies["role-task"] for arn in one["Resource"]}
    assert used == {
        "arn:aws:test:queue-jobs",
        "arn:aws:test:queue-jobs-dead",
        "arn:aws:test:bucket-files",
        "arn:aws:test:bucket-files/*",
    }


def test_code_without_queues_and_buckets_has_no_credentials() -> None:
    made = record_program(aws_spec())
    assert list(made.of("iam/role")) == ["role-execution"]
    assert made.of("ecs/taskDefinition")["service-web"].get("taskRoleArn") is None


def test_service_is_one_replica_on_arm_with_a_circuit_breaker_and_spot_by_setting() -> None:
    """C1, T3."""
    made = record_program(aws_spec(replace(WEB, health=HealthCheck("/healthz", 90))))
    service, definition = made.of("ecs/service")["service-web"], made.of("ecs/taskDefinition")["service-web"]
    assert (service["desiredCount"], service["launchType"]) == (1, "FARGATE")
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["waitForSteadyState"] is True
    assert (definition["cpu"], definition["memory"]) == ("256", "512")
    assert definition["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert containers({"web": definition})["web"]["image"] == IMAGE
    made = record_program(aws_spec(), replace(SETTINGS, spot="True", architecture="x86_64"))
    service = made.of("ecs/service")["service-web"]
    assert service["capacityProviderStrategies"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "launchType" not in service
    assert made.of("ecs/clusterCapacityProviders")["cluster"]["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]


def test_public_service_has_a_host_rule_and_a_record_with_its_owner() -> None:
    api = ServiceSpec("api", "", image="shop", port=9000)
    made = record_program(aws_spec(WEB, api))
    rules = made.of("lb/listenerRule")
    hosts = {name: rule["conditions"][0]["hostHeader"]["values"] for name, rule in rules.items()}
    assert hosts == {"service-web": [f"{NAME}.preview.test"], "service-api": [f"api--{NAME}.preview.test"]}
    records = made.of("route53/record")
    assert (records["host-web"]["type"], records["host-web"]["ttl"], records["host-web"]["records"]) == (
        "CNAME",
        60,
        ["lb.test"],
    )
    assert records["owner-api"]["name"] == f"_eph.api--{NAME}.preview.test"
    assert records["owner-api"]["records"] == [f"heritage=eph,server=eph-c0ffee,environment={NAME}"]


def test_commands_run_as_tasks_and_only_migrations_with_every_build() -> None:
    hooks = LifecycleHooks(pre_create=(CommandSpec("bin/pre"),), post_create=(CommandSpec("bin/post"),))
    database = DatabaseSpec("main", strategy="seed", seed=CommandSpec("bin/seed"), migrate=CommandSpec("bin/migrate"))
    database = replace(database, migrate_first=True)
    first = record_program(aws_spec(databases=(database,), hooks=hooks)).resources
    later = record_program(
        aws_spec(databases=(database,), hooks=hooks, source=replace(FULL_SPEC.source, commit="b" * 40))
    ).resources
    kind = "pulumi-python:dynamic/eph:OneOffTask"
    tasks = {name.split(" ")[1] for name in first if name.startswith(kind)}
    assert tasks == {"pre-create-1", "migrate-main-first", "seed-main", "migrate-main", "post-create-1"}
    changed = {name for name in tasks if first[f"{kind} {name}"]["run"] != later[f"{kind} {name}"]["run"]}
    assert changed == {"migrate-main"}


def test_everything_is_tagged_and_the_expiry_survives_updates() -> None:
    """C2, T3. The plugin reads nested values as JSON with its own names."""
    provider = record_program(FULL_SPEC).resources["pulumi:providers:aws aws"]
    tags = json.loads(provider["defaultTags"])["tags"]
    assert tags == {
        "Team": "shop",
        "Environment": NAME,
        "ManagedBy": "eph",
        "EphemeralTTL": "24h",
        "PRNumber": "42",
        "eph:server": "eph-c0ffee",
    }
    assert json.loads(provider["ignoreTags"]) == {"keyPrefixes": ["eph:expires"]}


def test_role_to_assume_carries_external_id_and_session_tags() -> None:
    role = "arn:aws:iam::123456789012:role/previews"
    settings = replace(SETTINGS, role=role, external_id="x1", accounts="123456789012")
    provider = record_program(FULL_SPEC, settings).resources["pulumi:providers:aws aws"]
    (assumed,) = json.loads(provider["assumeRoles"])
    assert (assumed["roleArn"], assumed["externalId"]) == (role, "x1")
    assert assumed["tags"] == {"Environment": NAME, "ManagedBy": "eph"}
    assert json.loads(provider["allowedAccountIds"]) == ["123456789012"]
    assert not {"accessKey", "secretKey", "token"} & provider.keys(), "credentials are never in the state"
